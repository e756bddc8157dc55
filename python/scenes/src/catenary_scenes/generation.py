"""Synthetic scenes with ground truth, by the linear mixing model.

A pixel is x = g * sum_k a_k m_k + n (Keshava and Mustard, "Spectral unmixing", IEEE Signal Processing Magazine 19(1),
2002, eq. 1): abundances a_k >= 0 that sum to one, endmember spectra m_k, illumination g, sensor noise n. Abundances are
correlated Gaussian fields through a softmax, so materials form patches with mixed borders. Endmembers vary from place
to place (Somers et al., "Endmember variability in spectral mixture analysis: a review", Remote Sensing of Environment
115, 2011), each material by its own amount: the background is a union of unlike clusters rather than one Gaussian.
Anomalies are implanted below pixel size, x = (1 - f) b + f t (Stefanou and Kerekes, "A method for assessing spectral
image utility", IEEE Transactions on Geoscience and Remote Sensing 47(6), 2009), before illumination and noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from catenary_scenes.errors import SceneInvalid
from catenary_scenes.implanting import Implant, implant_targets
from catenary_scenes.scene import Scene
from catenary_scenes.spectra import BACKGROUND, TARGETS, Spectrum, band_snr

PURITY = 12.0
"""How sharply patches border on each other: the inverse temperature of the softmax."""
MAX_SIDE = 4096
MAX_BANDS = 2048
SENSOR_RANGE_NM = (350.0, 2500.0)
VARIABILITY = (0.015, 0.06, 0.22, 0.03, 0.10, 0.18, 0.02, 0.14)
"""Relative spread of each background material's spectrum, in the order of `BACKGROUND`."""


@dataclass(frozen=True, kw_only=True)
class SceneSpec:
    """What to generate. The same values give the same scene, bit for bit, on one machine and numpy version.

    Raises:
        SceneInvalid: a value is out of its range; the message names it.
    """

    seed: int = 0
    """>= 0."""
    rows: int = 96
    """Pixels, 8 to 4096."""
    cols: int = 96
    """Pixels, 8 to 4096."""
    bands: int = 96
    """4 to 2048, equally spaced over the wavelength range."""
    wavelength_min_nm: float = 400.0
    """Centre of the first band in nanometres, >= 350."""
    wavelength_max_nm: float = 1000.0
    """Centre of the last band in nanometres, <= 2500; 2400 adds the short-wave infrared."""
    endmembers: int = 5
    """Background materials, 2 to 8."""
    anomalies: int = 14
    """Implanted clusters, >= 0."""
    anomaly_pixels_max: int = 6
    """Largest cluster in pixels, >= 1."""
    abundance_min: float = 0.14
    """Smallest share f of the target in an implanted pixel, in (0, 1]."""
    abundance_max: float = 0.50
    """Largest share f of the target, in [abundance_min, 1]."""
    patch_pixels: float = 7.0
    """Correlation length of the materials' patches in pixels, > 0."""
    shade: float = 0.15
    """Standard deviation of the illumination around 1, in [0, 0.5]."""
    snr_db: float = 36.0
    """Signal-to-noise ratio of the best band in decibels, in [0, 100]."""

    def __post_init__(self) -> None:
        """Refuse what cannot be generated."""
        _require_range("seed", self.seed, 0, 2**63 - 1)
        _require_range("rows", self.rows, 8, MAX_SIDE)
        _require_range("cols", self.cols, 8, MAX_SIDE)
        _require_range("bands", self.bands, 4, MAX_BANDS)
        _require_range("wavelength_min_nm", self.wavelength_min_nm, SENSOR_RANGE_NM[0], SENSOR_RANGE_NM[1] - 1.0)
        _require_range("wavelength_max_nm", self.wavelength_max_nm, self.wavelength_min_nm + 1.0, SENSOR_RANGE_NM[1])
        _require_range("endmembers", self.endmembers, 2, len(BACKGROUND))
        _require_range("anomalies", self.anomalies, 0, self.rows * self.cols)
        _require_range("anomaly_pixels_max", self.anomaly_pixels_max, 1, self.rows * self.cols)
        _require_range("abundance_min", self.abundance_min, 1e-6, 1.0)
        _require_range("abundance_max", self.abundance_max, self.abundance_min, 1.0)
        _require_range("patch_pixels", self.patch_pixels, 0.1, float(MAX_SIDE))
        _require_range("shade", self.shade, 0.0, 0.5)
        _require_range("snr_db", self.snr_db, 0.0, 100.0)


def generate_scene(spec: SceneSpec) -> Scene:
    """Generate the scene `spec` describes; values are reflectance, the mask numbers the implanted clusters from 1.

    Raises:
        SceneInvalid: the anomalies do not fit into the scene without touching.
    """
    # One stream for each part: a change of one part's draws leaves the others as they were.
    mixing, varying, implanting, lighting, sensing = np.random.default_rng(spec.seed).spawn(5)
    nm = np.linspace(spec.wavelength_min_nm, spec.wavelength_max_nm, spec.bands)
    background = _mixed_background(spec, nm, mixing, varying)
    targets = np.stack([_jittered(reflectance(nm), nm, 0.05, implanting) for reflectance in TARGETS.values()])
    implant = Implant(
        clusters=spec.anomalies, pixels_max=spec.anomaly_pixels_max, abundance=(spec.abundance_min, spec.abundance_max)
    )
    mask = implant_targets(background, targets, implant, implanting)
    light = np.clip(1.0 + spec.shade * correlated_field(spec, spec.patch_pixels / 2.0, lighting), 0.25, 1.75)
    signal = background * light[:, :, None]
    noise = signal.mean(axis=(0, 1)) / band_snr(nm, spec.snr_db)
    cube = signal + noise * sensing.standard_normal(signal.shape)
    return Scene(
        name=f"synthetic_{spec.seed}",
        cube=np.ascontiguousarray(cube, dtype=np.float32),
        wavelengths=nm.astype(np.float32),
        mask=mask,
        has_wavelengths=True,
    )


def correlated_field(spec: SceneSpec, length_pixels: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Gaussian random field [rows, cols], zero mean and unit variance, smooth over `length_pixels`."""
    white = rng.standard_normal((spec.rows, spec.cols))
    smooth = np.asarray(ndimage.gaussian_filter(white, sigma=length_pixels, mode="wrap"))
    centred = smooth - smooth.mean()
    return np.asarray(centred / centred.std())


def _mixed_background(
    spec: SceneSpec, nm: Spectrum, mixing: np.random.Generator, varying: np.random.Generator
) -> NDArray[np.float64]:
    """Sum of abundance times (locally varied) endmember spectrum: [rows, cols, bands]."""
    fields = [correlated_field(spec, spec.patch_pixels, mixing) for _ in range(spec.endmembers)]
    abundances = _softmax(PURITY * np.stack(fields, axis=-1))
    mixed = np.zeros((spec.rows, spec.cols, spec.bands))
    for index, reflectance in enumerate(list(BACKGROUND.values())[: spec.endmembers]):
        spectrum = _jittered(reflectance(nm), nm, 0.05, varying)
        local = np.ones_like(mixed)
        for _ in range(3):
            spread = correlated_field(spec, 1.0, varying)
            local += VARIABILITY[index] * spread[:, :, None] * _smooth_shape(nm, varying)
        mixed += abundances[:, :, index, None] * spectrum * local
    return np.maximum(mixed, 0.0)


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def _jittered(spectrum: Spectrum, nm: Spectrum, amount: float, rng: np.random.Generator) -> Spectrum:
    """The spectrum with a smooth relative change: two fields of one material never look exactly alike."""
    return np.asarray(np.clip(spectrum * (1.0 + amount * _smooth_shape(nm, rng)), 0.001, 1.0))


def _smooth_shape(nm: Spectrum, rng: np.random.Generator) -> Spectrum:
    """Random smooth function of the wavelength, values about -1 to 1: a short cosine series."""
    position = (nm - nm[0]) / (nm[-1] - nm[0])
    weights = rng.standard_normal(5) / np.arange(1, 6)
    shape = sum(weight * np.cos(np.pi * order * position) for order, weight in enumerate(weights))
    return np.asarray(shape) / 1.5


def _require_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SceneInvalid(f"{name} = {value} is out of range: choose a value from {low:g} to {high:g}")
