import { loadInstalled, type Logger } from '@changeover/core';
import type * as Pino from 'pino';
import { TextLines } from './log-text.ts';

export { type Logger, type LogLine, silentLogger } from '@changeover/core';

/** How lines are written. */
export type LogFormat = 'json' | 'text';

/** How much is logged, where, and whether values may be seen. */
export interface LoggerOptions {
  /** Default: `info`. */
  readonly level?: 'debug' | 'info' | 'warn' | 'error' | 'silent' | undefined;
  /** Anything with `write(line)`. Default: standard error, written in the background, at most 1 MiB waiting: lines
   * beyond are dropped, because a reader that hangs must not hold up a caller. */
  readonly destination?: Pino.DestinationStream | undefined;
  /** `json`: a JSON object a line, for a file or a collector. `text`: a line for people, repeats folded. Default: `CHANGEOVER_LOG_FORMAT`;
   * else `text` where lines go to standard error and that is a terminal, else `json`. */
  readonly format?: LogFormat | undefined;
  /** `redacted` hides parameters, rows, credentials and what drivers quote in their messages. Default: `redacted`. */
  readonly values?: 'redacted' | 'raw' | undefined;
}

/** A pino logger that writes JSON lines, or lines for people, and hides values by default. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { pino } = loadInstalled('pino', import.meta.url) as typeof Pino;
  const redacts = options.values !== 'raw';
  const destination =
    options.destination ?? pino.destination({ dest: 2, sync: false, maxLength: 1_048_576 });
  return pino(
    {
      base: { name: 'changeover' },
      level: options.level ?? 'info',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Credentials are hidden in either case.
      redact: {
        paths: paths(redacts ? [...credentialFields, ...valueFields] : credentialFields),
        censor: '[redacted]',
      },
      serializers: { err: (error: unknown) => describeError(error, redacts, 0) },
    },
    formatOf(options) === 'text' ? new TextLines(destination) : destination,
  );
}

/** Anything but the two names is as if nothing was said: a log must not keep a program from starting. */
function formatOf({ format, destination }: LoggerOptions): LogFormat {
  if (format !== undefined) return format;
  const said = process.env['CHANGEOVER_LOG_FORMAT'];
  if (said === 'json' || said === 'text') return said;
  const { isatty } = process.getBuiltinModule('node:tty');
  return destination === undefined && isatty(2) ? 'text' : 'json';
}

const credentialFields = ['password', 'token', 'authorization', 'databaseUrl', 'connectionString'];
const valueFields = [
  'args',
  'params',
  'parameters',
  'row',
  'rows',
  'value',
  'values',
  'where',
  'detail',
];
const maxCauses = 4;
const maxMessageLength = 1_000;

/** At the top and one level below: as deep as lines of this project go. */
function paths(fields: readonly string[]): string[] {
  return fields.flatMap((field) => [field, `*.${field}`]);
}

/** An error as it is logged. Of a driver's error only what can't hold data is kept: a `detail`, for example,
 * may quote the row. */
function describeError(error: unknown, redacts: boolean, depth: number): unknown {
  try {
    if (typeof error !== 'object' || error === null)
      return redacts ? `a thrown ${typeof error}` : error;
    const { name, code, message, cause, stack } = error as Record<string, unknown>;
    const text = hideCredentials(
      typeof message === 'string' ? message.slice(0, maxMessageLength) : '',
    );
    const shown = redacts ? hideQuoted(text) : text;
    return {
      type: typeof name === 'string' ? name : 'unknown',
      ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
      message: shown,
      // The first line of a stack repeats the message.
      ...(typeof stack === 'string' && depth === 0
        ? { stack: stack.slice(stack.search(/\n\s+at /) + 1) }
        : {}),
      ...(cause !== undefined && depth < maxCauses
        ? { cause: describeError(cause, redacts, depth + 1) }
        : {}),
    };
  } catch {
    // A getter of somebody's error that throws must not break the caller that was only told of it.
    return 'an error that can not be described';
  }
}

/** Drivers put what they complain about between quotes: `invalid input syntax for type integer: "secret"`. */
function hideQuoted(text: string): string {
  return text.replace(/'[^']*'|"[^"]*"/g, (quoted) => `<${String(quoted.length - 2)} characters>`);
}

function hideCredentials(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1[redacted]@');
}
