/** A copy as plain JSON: the Kubernetes client gives class instances with Date members, which no digest accepts. */
export function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
