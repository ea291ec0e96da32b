/** What to do about the system's errors and SQLite's, as the end of a sentence. */
const remedies: Readonly<Record<string, string>> = {
  SQLITE_FULL: 'make room on its disk',
  ENOSPC: 'make room on its disk',
  EDQUOT: 'make room on its disk: the quota is used up',
  EMFILE:
    'the process has no file descriptor left: raise its limit (ulimit -n), or close what it leaks',
  ENFILE: 'the machine has no file descriptor left: close what leaks them',
  ENOENT: 'make its folder, or give it another file',
  EROFS:
    'it is on a file system that is mounted read-only: mount it for writing, or give it another file',
  EACCES: 'let this process write it and its folder, or give it another file',
  EPERM: 'let this process write it and its folder, or give it another file',
  SQLITE_READONLY:
    'it is read-only for this process: let it write the file and its folder, mount that for writing, or give it another file',
  SQLITE_CANTOPEN:
    'let this process write its folder too, which must not be mounted read-only; or it has no file descriptor left (ulimit -n)',
  SQLITE_IOERR:
    'its disk fails, is full, or lets no file grow further (ulimit -f): see what the system says of it, or give it another file',
  SQLITE_NOTADB: 'it is no database: move it away, or give it another file',
  SQLITE_CORRUPT: 'it is damaged: stop the programs and move it away, or give it another file',
};

/** What a person does about an error with that code; undefined where nothing is known of it. */
export function remedyOf(code: string): string | undefined {
  return remedies[code];
}
