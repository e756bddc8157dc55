"""Reflectance spectra of common materials, as smooth functions of the wavelength.

The shapes follow what field and laboratory spectra show (Clark, "Spectroscopy of rocks and minerals, and principles of
spectroscopy", Manual of Remote Sensing 3, 1999; Jacquemoud and Baret, "PROSPECT: a model of leaf optical properties
spectra", Remote Sensing of Environment 34, 1990): chlorophyll absorption with the red edge at 715 nm, the leaf's
liquid-water bands at 970, 1200, 1450 and 1940 nm, iron at 870 nm, hydroxyl at 2200 nm, cellulose at 2100 nm.
Nothing is copied from a spectral library; each spectrum is a sum and product of Gaussians and logistic edges.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Spectrum: TypeAlias = NDArray[np.float64]
Reflectance: TypeAlias = Callable[[Spectrum], Spectrum]


def peak(nm: Spectrum, centre: float, width: float) -> Spectrum:
    """Gaussian of height 1 at `centre` with standard deviation `width`, both in nanometres."""
    return np.asarray(np.exp(-0.5 * np.square((nm - centre) / width)))


def edge(nm: Spectrum, centre: float, width: float) -> Spectrum:
    """Logistic step from 0 to 1 at `centre`, `width` nanometres wide."""
    return np.asarray(1.0 / (1.0 + np.exp(-(nm - centre) / width)))


def liquid_water(nm: Spectrum, depth: float) -> Spectrum:
    """Transmission in [0, 1] of the liquid water in a leaf or a soil; `depth` is relative to a turgid leaf."""
    absorption = (
        0.10 * peak(nm, 970.0, 25.0)
        + 0.22 * peak(nm, 1200.0, 40.0)
        + 0.75 * peak(nm, 1450.0, 60.0)
        + 0.85 * peak(nm, 1940.0, 80.0)
    )
    return np.asarray(1.0 - depth * absorption)


def vegetation(nm: Spectrum) -> Spectrum:
    """Green canopy: a weak green peak, the red edge, the near-infrared plateau."""
    visible = 0.03 + 0.07 * peak(nm, 552.0, 32.0)
    return (visible + 0.44 * edge(nm, 715.0, 14.0)) * liquid_water(nm, 1.0) * (1.0 - 0.35 * edge(nm, 1350.0, 60.0))


def soil(nm: Spectrum) -> Spectrum:
    """Bare loam: rising with the wavelength, with iron and clay absorptions."""
    rising = 0.06 + 0.34 * (1.0 - np.exp(-(nm - 380.0) / 480.0))
    minerals = 1.0 - 0.08 * peak(nm, 870.0, 60.0) - 0.12 * peak(nm, 2205.0, 30.0)
    return np.asarray(rising * minerals * liquid_water(nm, 0.25))


def asphalt(nm: Spectrum) -> Spectrum:
    """Weathered road surface: dark and nearly flat."""
    return np.asarray(0.07 + 0.05 * (1.0 - np.exp(-(nm - 380.0) / 500.0)) - 0.01 * peak(nm, 2310.0, 40.0))


def water(nm: Spectrum) -> Spectrum:
    """Turbid open water: a faint blue-green slope that vanishes in the infrared."""
    return np.asarray(0.004 + 0.055 * peak(nm, 540.0, 85.0) + 0.012 * peak(nm, 700.0, 25.0))


def concrete(nm: Spectrum) -> Spectrum:
    """Bright pavement."""
    return np.asarray((0.16 + 0.22 * (1.0 - np.exp(-(nm - 380.0) / 220.0))) * (1.0 - 0.06 * peak(nm, 2330.0, 40.0)))


def dry_grass(nm: Spectrum) -> Spectrum:
    """Senescent grass: a gentle slope in place of the red edge, cellulose in the short-wave infrared."""
    slope = 0.06 + 0.20 * edge(nm, 620.0, 70.0) + 0.14 * edge(nm, 800.0, 90.0)
    return np.asarray(slope * (1.0 - 0.18 * peak(nm, 2100.0, 50.0)) * liquid_water(nm, 0.35))


def sand(nm: Spectrum) -> Spectrum:
    """Dry quartz sand."""
    return np.asarray((0.12 + 0.42 * edge(nm, 560.0, 90.0)) * (1.0 - 0.05 * peak(nm, 900.0, 70.0)))


def roof_tile(nm: Spectrum) -> Spectrum:
    """Fired clay: the iron-oxide edge near 580 nm."""
    return np.asarray((0.05 + 0.28 * edge(nm, 585.0, 22.0)) * (1.0 - 0.16 * peak(nm, 865.0, 55.0)))


def green_paint(nm: Spectrum) -> Spectrum:
    """Painted metal that looks like vegetation to the eye and lacks its near-infrared plateau."""
    visible = 0.05 + 0.09 * peak(nm, 535.0, 38.0)
    return np.asarray(visible + 0.13 * edge(nm, 790.0, 45.0) - 0.03 * peak(nm, 1730.0, 40.0))


def blue_tarpaulin(nm: Spectrum) -> Spectrum:
    """Polyethylene sheet: a blue peak, and the C-H absorptions of the polymer."""
    polymer = 1.0 - 0.20 * peak(nm, 1215.0, 25.0) - 0.35 * peak(nm, 1730.0, 30.0) - 0.30 * peak(nm, 2310.0, 40.0)
    return np.asarray((0.07 + 0.24 * peak(nm, 465.0, 40.0) + 0.26 * edge(nm, 735.0, 28.0)) * polymer)


def grey_vehicle(nm: Spectrum) -> Spectrum:
    """Grey automotive coating: flat, with a soft infrared roll-off."""
    return np.asarray(0.21 - 0.06 * edge(nm, 900.0, 90.0) - 0.03 * peak(nm, 680.0, 40.0))


BACKGROUND: Mapping[str, Reflectance] = {
    "vegetation": vegetation,
    "soil": soil,
    "asphalt": asphalt,
    "dry_grass": dry_grass,
    "water": water,
    "concrete": concrete,
    "sand": sand,
    "roof_tile": roof_tile,
}
"""Materials of a landscape, the commonest first."""

TARGETS: Mapping[str, Reflectance] = {
    "green_paint": green_paint,
    "blue_tarpaulin": blue_tarpaulin,
    "grey_vehicle": grey_vehicle,
}
"""Materials that do not belong in it."""


def band_snr(nm: Spectrum, snr_db: float) -> Spectrum:
    """Signal-to-noise ratio (amplitude) of a push-broom sensor in each band, `snr_db` decibels at its best.

    It falls towards both ends of the detector and inside the atmosphere's absorptions (oxygen 762 nm; water vapour
    942, 1135, 1400, 1900 nm), where little light arrives.
    """
    # Silicon turns transparent towards 1000 nm, where the second detector, for the short-wave infrared, takes over.
    silicon_end = edge(nm, 940.0, 30.0) * (1.0 - edge(nm, 1010.0, 15.0))
    detector = 0.35 + 0.65 * edge(nm, 455.0, 22.0) * (1.0 - 0.7 * silicon_end)
    atmosphere = (
        (1.0 - 0.35 * peak(nm, 762.0, 5.0))
        * (1.0 - 0.45 * peak(nm, 942.0, 18.0))
        * (1.0 - 0.55 * peak(nm, 1135.0, 22.0))
        * (1.0 - 0.93 * peak(nm, 1400.0, 35.0))
        * (1.0 - 0.95 * peak(nm, 1900.0, 45.0))
    )
    return np.asarray(10.0 ** (snr_db / 20.0) * detector * atmosphere * (1.0 - 0.45 * edge(nm, 2250.0, 60.0)))
