/** The server: what it is, what of it is taken, what it works on. */
import type { JSX } from "preact";
import { formatAgo, formatBytes } from "../../parts/format";
import type { DeviceView, ServerView, SlotsView } from "./session";

export function ServerPanel({ server }: { server: ServerView }): JSX.Element {
  return (
    <section class="panel" aria-labelledby="server-title">
      <div class="panel-head">
        <h2 id="server-title">Server</h2>
        <span class="small muted">
          {server.name} {server.version}, started {formatAgo(server.startedAt, Date.now())}
        </span>
      </div>
      <div class="panel-body server-figures">
        {server.slots.map((slots) => (
          <SlotsFigure key={slots.name} slots={slots} />
        ))}
        {server.devices.map((device) => (
          <DeviceFigure key={device.name} device={device} />
        ))}
      </div>
    </section>
  );
}

function SlotsFigure({ slots }: { slots: SlotsView }): JSX.Element {
  const { name, used, total } = slots;
  return (
    <div class="figure">
      <span class="figure-name">{name}</span>
      <span class="figure-value numbers">
        {used}
        <span class="muted small">{total === 0 ? " of no bound" : ` of ${total}`}</span>
      </span>
      {total > 0 && <meter min={0} max={total} value={used} aria-label={`${name}: ${used} of ${total} taken`} />}
    </div>
  );
}

function DeviceFigure({ device }: { device: DeviceView }): JSX.Element {
  const { name, model, totalBytes, freeBytes } = device;
  const known = totalBytes > 0 && freeBytes !== undefined;
  const used = known ? totalBytes - freeBytes : 0;
  const memory = known
    ? `${formatBytes(used)} of ${formatBytes(totalBytes)} used`
    : totalBytes > 0
      ? `${formatBytes(totalBytes)} of memory`
      : "memory not told";
  return (
    <div class="figure">
      <span class="figure-name">Device {name}</span>
      <span class="figure-value">{model}</span>
      <span class="small muted numbers">{memory}</span>
      {known && <meter min={0} max={totalBytes} value={used} aria-label={`Memory of ${name}: ${memory}`} />}
    </div>
  );
}
