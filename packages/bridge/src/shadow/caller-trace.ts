import { loadInstalled } from '@changeover/core';

/** What of OpenTelemetry's API is used here. */
interface TraceApi {
  readonly trace: {
    getActiveSpan(): { spanContext(): Parameters<TraceApi['isSpanContextValid']>[0] } | undefined;
  };
  isSpanContextValid(context: { readonly traceId: string }): boolean;
}

/** Where OpenTelemetry keeps what a program has set up, whichever copy of its API did so. */
const setUp = Symbol.for('opentelemetry.js.api.1');

let api: TraceApi | 'missing' | undefined;

/**
 * The trace that the caller is in, to be asked in the caller's own context. Undefined where a program has not set up OpenTelemetry, which
 * costs one look at a global, or where no span is active. Never throws.
 */
export function callerTrace(): string | undefined {
  if (!(setUp in globalThis)) return undefined;
  try {
    api ??= loadApi();
    if (api === 'missing') return undefined;
    const context = api.trace.getActiveSpan()?.spanContext();
    return context !== undefined && api.isSpanContextValid(context) ? context.traceId : undefined;
  } catch {
    return undefined;
  }
}

/** Any copy will do, since all of them find what was set up; a program that has set it up has one below its own folder. */
function loadApi(): TraceApi | 'missing' {
  for (const from of [import.meta.url, undefined]) {
    try {
      return loadInstalled('@opentelemetry/api', from) as TraceApi;
    } catch {
      // The next place is tried.
    }
  }
  return 'missing';
}
