/**
 * One request and the whole of its answer.
 *
 * @throws {Error} within `timeoutMs` where none comes, with what the network said: `fetch` itself says "fetch failed".
 */
export async function fetchText(
  url: string,
  timeoutMs: number,
  init: RequestInit,
): Promise<[response: Response, text: string]> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { ...init, signal });
    return [response, await response.text()];
  } catch (error) {
    const { origin } = new URL(url);
    if (signal.aborted)
      throw new Error(`${origin} did not answer within ${String(timeoutMs / 1_000)} s`, {
        cause: error,
      });
    const { cause, message } = error as {
      readonly cause?: Readonly<Record<string, unknown>>;
      readonly message?: unknown;
    };
    throw new Error(
      `${origin} can't be reached: ${String(cause?.['code'] ?? cause?.['message'] ?? message)}`,
      { cause: error },
    );
  }
}
