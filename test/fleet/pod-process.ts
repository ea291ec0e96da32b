import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A real process of a fleet: see `pod.ts`. */
export class PodProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  readonly exited: Promise<unknown>;

  constructor(url: string, silentMs = 60_000) {
    const pod = fileURLToPath(new URL('pod.ts', import.meta.url));
    this.#child = spawn(
      process.execPath,
      ['--conditions=@changeover/source', pod, url, String(silentMs)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    this.exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.stdout === null) throw new Error('the pod has no output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.lines.push(line);
      for (const look of this.#waiting) look();
    });
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  /** Until it has said a line. */
  async said(wanted: (line: string) => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!this.lines.some(wanted)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** The last number that it said under a name. */
  last(name: string): number {
    const line = this.lines.findLast((one) => one.startsWith(`${name} `));
    return line === undefined ? 0 : Number(line.split(' ')[1]);
  }

  /** Its last line of `stage NAME`. */
  get stage(): string | undefined {
    return this.lines.findLast((line) => line.startsWith('stage '))?.slice('stage '.length);
  }

  async end(): Promise<number> {
    this.say('end');
    await this.exited;
    return this.last('ended');
  }
}
