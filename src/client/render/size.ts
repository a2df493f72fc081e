const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes as a person reads them: `512 B`, `1.5 KiB`, `20 MiB`. */
export function sizeText(bytes: number): string {
  const power = Math.min(
    units.length - 1,
    bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10 + Number.EPSILON),
  );
  const value = bytes / 1024 ** power;
  const rounded = power === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1);
  return `${rounded} ${units[power] ?? ''}`;
}

/** A count with separated thousands: `20,000`. */
export function countText(count: number): string {
  return count.toLocaleString('en');
}
