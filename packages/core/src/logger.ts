/** Writes one line. `fields` become the line's fields, `message` its text. The order is pino's. */
export interface LogLine {
  (fields: object, message: string): void;
}

/** A logger as the code takes it, by injection. A pino logger is one. */
export interface Logger {
  debug: LogLine;
  info: LogLine;
  warn: LogLine;
  error: LogLine;
}

/** Says nothing. */
export const silentLogger: Logger = Object.freeze({
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
});
