import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** CPU seconds of a PostgreSQL server's processes that live; undefined where there is no `/proc`. @param folder of its data. */
export function serverSeconds(folder: string): number | undefined {
  try {
    const [postmaster = ''] = readFileSync(join(folder, 'data/postmaster.pid'), 'utf8').split('\n');
    let ticks = 0;
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const fields = processFields(pid);
      if (pid === postmaster || fields[1] === postmaster)
        ticks += Number(fields[11]) + Number(fields[12]);
    }
    return ticks / 100;
  } catch {
    return undefined;
  }
}

/** Those of `/proc/PID/stat` from the state on; none where it ended meanwhile. */
function processFields(pid: string): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
