/** The pictures of a scene side by side: false colour, scores, decisions, ground truth. */
import { useMemo, useState } from "preact/hooks";
import type { JSX } from "preact";
import { formatShare, formatValue } from "../../../parts/format";
import { Segments } from "../../../parts/segments";
import { falseColour, pictureBands, type PictureBands } from "./false-colour";
import type { Outcome, PixelMap } from "./inference";
import { Picture, type Place } from "./picture";
import { ScoreLegend } from "./score-legend";
import { maskPicture, scorePicture, scoreScale, type ScaleKind } from "./score-scale";
import type { Scene } from "./scene-file";
import { extentOf } from "./statistics";

const SCALES = [
  { value: "value", title: "Values" },
  { value: "rank", title: "Ranks" },
] as const;

interface Shared {
  readonly scene: Scene;
  readonly place: Place | undefined;
  readonly onPlace: (place: Place | undefined) => void;
}

export function Pictures({ scene, outcome }: { scene: Scene; outcome: Outcome }): JSX.Element {
  const [place, onPlace] = useState<Place>();
  const [kind, setKind] = useState<ScaleKind>("value");
  const shared = { scene, place, onPlace };
  return (
    <>
      {outcome.scores.length > 0 && (
        <div class="row">
          <span class="small muted" id="scale-label">
            Colours of scores by
          </span>
          <Segments label="Colours of scores by" options={SCALES} value={kind} onChange={setKind} />
        </div>
      )}
      <div class="pictures">
        <FalseColour {...shared} />
        {outcome.scores.map((map) => (
          <ScoreMap key={map.name} {...shared} map={map} kind={kind} />
        ))}
        {outcome.masks.map((map) => (
          <Mask key={map.name} {...shared} title={`Mask \u00b7 ${map.name}`} values={map.values} />
        ))}
        {scene.truth !== undefined && <Mask {...shared} title="Ground truth of the file" values={scene.truth} />}
      </div>
      {outcome.masks.length === 0 && <p class="small muted">This pipeline decides nothing, so there is no mask.</p>}
      {outcome.others.length > 0 && <p class="small muted">Outputs without a value for each pixel: {outcome.others.join(", ")}</p>}
      {outcome.numbers.length > 0 && (
        <p class="small numbers">{outcome.numbers.map(([name, value]) => `${name} ${formatValue(value)}`).join(", ")}</p>
      )}
    </>
  );
}

function FalseColour({ scene, place, onPlace }: Shared): JSX.Element {
  const [chosen, choose] = useState<PictureBands>();
  const bands = chosen ?? pictureBands(scene.bands, scene.wavelengths);
  const key = bands.join();
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the bands by their value, not by the array that holds them
  const pixels = useMemo(() => falseColour(scene, bands), [scene, key]);
  const centre = (band: number): string => {
    const nm = scene.wavelengths?.[band];
    return nm === undefined ? `band ${band}` : `band ${band}, ${nm.toFixed(0)} nm`;
  };
  const valueAt = ({ row, col }: Place): string =>
    bands.map((band) => formatValue(scene.values[(row * scene.cols + col) * scene.bands + band])).join(" / ");
  return (
    <Picture
      title="False colour"
      description={`red ${centre(bands[0])}; green ${centre(bands[1])}; blue ${centre(bands[2])}`}
      {...{ rows: scene.rows, cols: scene.cols, pixels, place, onPlace, valueAt }}
    >
      <BandChoice scene={scene} bands={bands} centre={centre} onChange={choose} />
    </Picture>
  );
}

interface BandChoiceProps {
  readonly scene: Scene;
  readonly bands: PictureBands;
  readonly centre: (band: number) => string;
  readonly onChange: (bands: PictureBands) => void;
}

function BandChoice({ scene, bands, centre, onChange }: BandChoiceProps): JSX.Element {
  return (
    <div class="band-choice">
      {["Red", "Green", "Blue"].map((name, channel) => (
        <label key={name}>
          <span>{name}</span>
          <input
            type="range"
            min={0}
            max={scene.bands - 1}
            value={bands[channel]}
            aria-valuetext={centre(bands[channel] ?? 0)}
            onInput={(event) => {
              const band = Number(event.currentTarget.value);
              onChange(bands.map((each, index) => (index === channel ? band : each)) as unknown as PictureBands);
            }}
          />
          <span class="numbers muted">{centre(bands[channel] ?? 0)}</span>
        </label>
      ))}
    </div>
  );
}

function ScoreMap({ scene, place, onPlace, map, kind }: Shared & { map: PixelMap; kind: ScaleKind }): JSX.Element {
  const scale = useMemo(() => scoreScale(map.values, kind), [map, kind]);
  const pixels = useMemo(() => scorePicture(map.values, scale), [map, scale]);
  const { minimum, maximum, notFinite } = extentOf(scale.sorted, map.values.length);
  const range = `from ${formatValue(minimum)} to ${formatValue(maximum)}`;
  return (
    <Picture
      title={`Scores \u00b7 ${map.name}`}
      description={range}
      {...{ rows: scene.rows, cols: scene.cols, pixels, place, onPlace }}
      valueAt={({ row, col }) => formatValue(map.values[row * scene.cols + col])}
    >
      <ScoreLegend scale={scale} />
      <p class="small muted numbers">
        {range}
        {notFinite > 0 && `; ${notFinite} not finite, drawn in grey`}
      </p>
    </Picture>
  );
}

function Mask({ scene, place, onPlace, title, values }: Shared & { title: string; values: ArrayLike<number> }): JSX.Element {
  const pixels = useMemo(() => maskPicture(values), [values]);
  const marked = useMemo(() => Array.from(values).filter((value) => value !== 0).length, [values]);
  const share = `${marked} pixels marked, ${formatShare(marked / values.length)}`;
  return (
    <Picture
      title={title}
      description={share}
      {...{ rows: scene.rows, cols: scene.cols, pixels, place, onPlace }}
      valueAt={({ row, col }) => ((values[row * scene.cols + col] ?? 0) === 0 ? "not marked" : "marked")}
    >
      <p class="small muted numbers">{share}</p>
    </Picture>
  );
}
