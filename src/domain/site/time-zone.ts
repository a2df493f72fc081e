/**
 * Whether a name is that of an IANA time zone as every program knows it, and which one was probably meant. JavaScript also
 * takes offsets (`+01:00`) and any case; Temporal's server reads the zone's file by its exact name.
 */
export function timeZoneProblem(name: string): { meant: string | null } | null {
  const known = ['UTC', ...Intl.supportedValuesOf('timeZone')];
  if (known.includes(name)) return null;
  const meant = known.find((zone) => zone.toLowerCase() === name.toLowerCase()) ?? null;
  // Names such as Asia/Kolkata or EST5EDT stand for a zone of another name.
  const wellFormed = /^[A-Z][\w+-]*(\/[A-Z][\w+-]*)*$/.test(name);
  return meant === null && wellFormed && isKnownByAnotherName(name) ? null : { meant };
}

function isKnownByAnotherName(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}
