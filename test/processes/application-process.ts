import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../architecture/source-files.ts';
import { programEnvironment } from '../kit/program-environment.ts';
import type { ApplicationEnd, ApplicationOptions } from './application-options.ts';

interface Line {
  readonly kind: string;
  readonly engine?: string;
  readonly stage?: string;
  readonly round?: number;
  readonly message?: string;
}

/** A process of the application, as its parent sees it. */
export class ApplicationProcess {
  readonly #child: ChildProcess;
  readonly #seen: Line[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #exited: Promise<number | null>;
  #errors = '';
  #ended = false;

  constructor(options: ApplicationOptions) {
    this.#child = spawn(
      process.execPath,
      [
        '--conditions=@changeover/source',
        '--disable-warning=ExperimentalWarning',
        join(root, 'test/processes/application.ts'),
        JSON.stringify(options),
      ],
      {
        env: { ...programEnvironment(), UV_THREADPOOL_SIZE: '8' },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.#errors = (this.#errors + data.toString()).slice(-20_000);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.on('close', (code) => {
        this.#ended = true;
        this.#wake();
        resolve(code);
      });
    });
    if (this.#child.stdout === null) throw new Error('no output to read');
    createInterface(this.#child.stdout).on('line', (text) => {
      this.#seen.push(JSON.parse(text) as Line);
      this.#wake();
    });
  }

  /** Resolves when the process is in the middle of its work on that stage.
   *
   * @param after not at a round before this one: each stage that the engine's datasets came to is a round. */
  working(engine: string, stage: string, after = 0): Promise<Line> {
    return this.#until(
      (line) =>
        line.kind === 'working' &&
        line.engine === engine &&
        line.stage === stage &&
        (line.round ?? 0) > after,
      `work at ${engine} ${stage}`,
    );
  }

  /** Lets it finish what it does, and gives what it counted. */
  async end(): Promise<ApplicationEnd> {
    this.#child.stdin?.end();
    const last = await this.#until(({ kind }) => kind === 'end', 'its end');
    const code = await this.#exited;
    if (code !== 0) throw new Error(`the application ended with ${String(code)}: ${this.#errors}`);
    return last as unknown as ApplicationEnd;
  }

  /** For when a test failed. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #until(holds: (line: Line) => boolean, what: string): Promise<Line> {
    for (;;) {
      const found = this.#seen.find(holds);
      if (found !== undefined) return found;
      if (this.#ended) {
        throw new Error(
          `the application ended before ${what}: ${JSON.stringify(this.#seen.slice(-5))} ${this.#errors}`,
        );
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
