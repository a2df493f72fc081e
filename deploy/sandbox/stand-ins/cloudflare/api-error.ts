/** One of the errors of an answer: a number for programs, a message for people, and where in the request it is. */
export interface ErrorEntry {
  code: number;
  message: string;
  source?: { pointer: string };
}

/** A refused request. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  readonly errors: ErrorEntry[];
  /** Sent along, such as `retry-after`. */
  readonly headers: Record<string, string>;

  constructor(status: number, errors: ErrorEntry[], headers: Record<string, string> = {}) {
    super(errors.map(({ message }) => message).join('; '));
    this.status = status;
    this.errors = errors;
    this.headers = headers;
  }
}

export function refused(status: number, code: number, message: string, pointer?: string): ApiError {
  const source = pointer === undefined ? {} : { source: { pointer } };
  return new ApiError(status, [{ code, message, ...source }]);
}

/** The envelope of every answer: of a success with its result, of a refusal with its errors. */
export function envelope(result: unknown, more: Record<string, unknown> = {}): object {
  return { success: true, errors: [], messages: [], result, ...more };
}

export function refusal(errors: ErrorEntry[]): object {
  return { success: false, errors, messages: [], result: null };
}
