import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** Where figures were measured. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly node: string;
  readonly platform: string;
  /** Processes that wanted to run when it began: beyond the cores, others shared them. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

export function machineText({
  cores,
  processor,
  memoryGiB,
  node,
  platform,
  load,
}: Machine): string {
  return `${cores} cores (${processor}), ${memoryGiB} GiB, Node ${node}, ${platform}, load ${load} when it began`;
}
