import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A real process of a fleet: see `pod.ts` and `bridge-pod.ts`. */
export class PodProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  readonly exited: Promise<unknown>;

  /** @param program a file of this folder, or a path. @param args what it is given. */
  constructor(program: string, args: readonly string[]) {
    const path = fileURLToPath(new URL(program, import.meta.url));
    this.#child = spawn(process.execPath, ['--conditions=@changeover/source', path, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.stdout === null) throw new Error('the pod has no output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.lines.push(line);
      for (const look of this.#waiting) look();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  /** Until it has said a line. @param from only from this line of its on. */
  async said(wanted: (line: string) => boolean, from = 0): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!this.lines.slice(from).some(wanted)) return;
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
