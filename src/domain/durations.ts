const pattern = /^P(?!$)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;

const units = [
  { letter: 'd', name: 'day', ms: 86_400_000 },
  { letter: 'h', name: 'hour', ms: 3_600_000 },
  { letter: 'm', name: 'minute', ms: 60_000 },
  { letter: 's', name: 'second', ms: 1_000 },
] as const;

/**
 * Length in milliseconds of an ISO 8601 duration made of weeks, days, hours, minutes and seconds (`P3D`, `PT1H30M`).
 * Years and months are refused: their length depends on the calendar.
 *
 * @throws RangeError for anything else.
 */
export function durationMs(iso: string): number {
  const match = pattern.exec(iso);
  if (match === null) throw new RangeError(`not an ISO 8601 duration such as PT5M or P3D: ${iso}`);
  const [weeks, days, hours, minutes, seconds] = match
    .slice(1)
    .map((digits) => Number(digits ?? '0')) as [number, number, number, number, number];
  return ((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000;
}

/** A length of time as a person says it, in its two largest units: `3 days`, `1 hour 30 minutes`, `0 seconds`. */
export function describeDuration(ms: number): string {
  let rest = Math.max(0, Math.round(ms / 1_000) * 1_000);
  const parts: string[] = [];
  for (const unit of units) {
    const count = Math.floor(rest / unit.ms);
    rest -= count * unit.ms;
    if (count > 0) parts.push(`${count} ${unit.name}${count === 1 ? '' : 's'}`);
  }
  return parts.length === 0 ? '0 seconds' : parts.slice(0, 2).join(' ');
}
