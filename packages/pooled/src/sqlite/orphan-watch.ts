/**
 * Ends a child process when this process has gone without doing so itself (SIGKILL, out of memory): a child in the middle of a
 * statement hears nothing of that and would go on for good, with its lock. A shell waits for the end of a pipe that only this
 * process holds; a thread in the child that looks after its parent takes ten times the memory. Windows ends children with
 * their parent by itself. Where there is no shell, nothing watches.
 *
 * @returns ends the watch.
 */
export function endWhenOrphaned(pid: number): () => void {
  if (process.platform === 'win32') return () => undefined;
  const script = 'trap "" INT TERM HUP; read -r _; kill -9 "$1"';
  const watch = process
    .getBuiltinModule('node:child_process')
    .spawn('/bin/sh', ['-c', script, 'sh', String(pid)], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  watch.on('error', () => undefined);
  watch.stdin.on('error', () => undefined);
  watch.unref();
  (watch.stdin as typeof watch.stdin & { unref?(): void }).unref?.();
  return () => {
    watch.kill('SIGKILL');
  };
}
