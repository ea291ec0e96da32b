/**
 * SQLSTATEs of what others' work does to a statement: a conflict or a deadlock (class 40), too few resources (53), a statement that was
 * given up (57014), a lock that was not to be had (55P03).
 */
const sqlStates = /^(?:40...|53...|57014|55P03)$/;
const fileCodes = /^[A-Z]+_(?:BUSY|LOCKED|PROTOCOL|INTERRUPT|NOMEM)/;
/** Of an engine without codes. */
const messages = /^(?:INTERRUPT|Out of Memory|TransactionContext) Error/;

/** Errors around an error that are looked into. */
const maxCauses = 5;

/** Whether an error, or what caused it, tells of what else went on, and nothing of the data: the same call may succeed in a moment. */
export function comesOfLoad(error: unknown, causes: number = maxCauses): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, name, retryable, message, cause } = error as Readonly<Record<string, unknown>>;
  if (retryable === true || name === 'AbortError') return true;
  if (typeof code === 'string' && (sqlStates.test(code) || fileCodes.test(code))) return true;
  if (typeof message === 'string' && messages.test(message)) return true;
  return causes > 0 && comesOfLoad(cause, causes - 1);
}
