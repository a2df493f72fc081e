/** An error of the API: `id` is a short identifier for programs, `message` is for people. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  readonly id: string;

  constructor(status: number, id: string, message: string) {
    super(message);
    this.status = status;
    this.id = id;
  }
}

export function notFound(): ApiError {
  return new ApiError(404, 'not_found', 'The resource you requested could not be found.');
}
