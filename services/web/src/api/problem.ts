/** What a call that failed says: RFC 9457 problem documents as errors, and faults of the network among them. */

/** A field of a request that was refused. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** The fields of a problem document that clients may rely on. */
export interface ProblemDocument {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly request_id: string;
  readonly errors?: readonly FieldError[] | null;
  readonly retry_after_ms?: number | null;
}

/**
 * A call that was answered with a problem, or not answered at all. `code` is the stable word to decide by;
 * `status` 0 with code `network` or `timeout` means that nobody knows whether the call took effect.
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** A sentence in English for people. */
  readonly detail: string;
  /** What to look for in the logs; empty when there was no answer. */
  readonly requestId: string;
  /** The refused fields, for code `invalid`. */
  readonly errors: readonly FieldError[] | null;
  /** How long to wait before it is tried again, in milliseconds. */
  readonly retryAfterMs: number | null;

  constructor(document: ProblemDocument, options?: ErrorOptions) {
    super(document.detail || document.title, options);
    this.code = document.code;
    this.status = document.status;
    this.detail = document.detail || document.title;
    this.requestId = document.request_id;
    this.errors = document.errors ?? null;
    this.retryAfterMs = document.retry_after_ms ?? null;
  }

  /** Whether the same call may succeed later: nobody answered, or the answer was "not now". */
  get passing(): boolean {
    return (
      this.status === 0 || this.status === 429 || this.status === 502 || this.status === 503 || this.status === 504
    );
  }

  /** Nobody answered. `code`: `network`, or `timeout` when too long was waited. */
  static unanswered(code: "network" | "timeout", cause?: unknown): Problem {
    const detail = code === "network" ? "The server could not be reached." : "The server did not answer in time.";
    return new Problem({ code, status: 0, title: detail, detail, request_id: "" }, { cause });
  }

  /** What a value that was thrown means; a fault of `fetch` is one of the network. */
  static from(error: unknown): Problem {
    if (error instanceof Problem) return error;
    return Problem.unanswered(
      error instanceof DOMException && error.name === "TimeoutError" ? "timeout" : "network",
      error,
    );
  }

  /** The problem that a response carries; anything but a problem document (a proxy's page) is told by its status. */
  static async of(response: Response): Promise<Problem> {
    const headers = response.headers;
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    const fallback: ProblemDocument = {
      code: response.status === 503 || response.status === 502 ? "unavailable" : `http_${response.status}`,
      status: response.status,
      title: response.statusText || `HTTP ${response.status}`,
      detail: "",
      request_id: headers.get("x-request-id") ?? "",
      retry_after_ms: Number.isFinite(seconds) ? seconds * 1000 : null,
    };
    if (!headers.get("content-type")?.includes("json")) return new Problem(fallback);
    const body: Partial<ProblemDocument> = await response.json().catch(() => ({}));
    return new Problem({
      ...fallback,
      ...body,
      retry_after_ms: body.retry_after_ms ?? fallback.retry_after_ms ?? null,
    });
  }
}
