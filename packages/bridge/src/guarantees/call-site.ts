import { isAbsolute, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, type Clock } from '@changeover/core';

/** What {@link callSites} goes by. */
export interface CallSiteOptions {
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** The folder that files are named from. Default: the process's working directory when the site is captured. */
  readonly root?: (() => string) | undefined;
  /** A file that is no call site, as it is this library's. Default: the packages that this file is part of. */
  readonly isOwn?: ((file: string) => boolean) | undefined;
}

/** A stack takes 5 to 20 µs: so many are taken of one key and kind, */
const maxOfKind = 100;
/** and of one key and kind in a second, so that the busiest call site does not use up all of them, */
const maxOfKindInSecond = 4;
/** and in all in a second. */
const maxInSecond = 20;
/** Keys and kinds that are told apart. */
const maxKinds = 10_000;
/** Between the caller and here are the bridge's own frames. */
const maxFrames = 40;

interface Taken {
  count: number;
  second: number;
  inSecond: number;
}

/**
 * Names the place in the program that is making a call: `src/orders.ts:12`, the first frame outside of this library and of
 * `node_modules`. Samples by itself, and gives undefined where it does not look or finds none. Never throws, and never tells a
 * value.
 */
export function callSites({
  clock = systemClock,
  root = () => process.cwd(),
  isOwn = isLibrary,
}: CallSiteOptions = {}): (kind: string, key: string) => string | undefined {
  const taken = new Map<string, Taken>();
  let second = 0;
  let inSecond = 0;
  const mayTake = (name: string): boolean => {
    const now = Math.floor(clock.monotonicMs() / 1_000);
    if (now !== second) {
      second = now;
      inSecond = 0;
    }
    if (inSecond >= maxInSecond) return false;
    let one = taken.get(name);
    if (one === undefined) {
      if (taken.size >= maxKinds) return false;
      one = { count: 0, second: now, inSecond: 0 };
      taken.set(name, one);
    }
    if (one.second !== now) {
      one.second = now;
      one.inSecond = 0;
    }
    if (one.count >= maxOfKind || one.inSecond >= maxOfKindInSecond) return false;
    one.count += 1;
    one.inSecond += 1;
    inSecond += 1;
    return true;
  };
  return (kind, key) => {
    try {
      return mayTake(`${kind}\0${key}`) ? siteIn(stackHere(), root(), isOwn) : undefined;
    } catch {
      // No hook of the program's (its own `prepareStackTrace`, a working directory that is gone) may break a caller.
      return undefined;
    }
  };
}

/** The place in the program that is calling now, each time; otherwise as {@link callSites} names it. Never throws. */
export function callSiteNow(): string | undefined {
  try {
    return siteIn(stackHere(), process.cwd(), isLibrary);
  } catch {
    return undefined;
  }
}

function stackHere(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = maxFrames;
  try {
    return String(new Error('call site').stack);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

const frame = /^\s*at (?:.*\()?((?:file:\/\/|\/|[A-Za-z]:[\\/]).*?):(\d+)(?::\d+)?\)?$/;

/** The first frame of a stack that is the program's own; else the first that is not this library's. */
function siteIn(stack: string, root: string, isOwn: (file: string) => boolean): string | undefined {
  let installed: string | undefined;
  for (const line of stack.split('\n').slice(1)) {
    const [, place = '', lineNumber = ''] = frame.exec(line) ?? [];
    if (place === '') continue;
    const file = place.startsWith('file:') ? fileURLToPath(place) : place;
    if (isOwn(file)) continue;
    const site = `${shortened(file, root)}:${lineNumber}`;
    if (!/[\\/]node_modules[\\/]/.test(file)) return site;
    installed ??= site;
  }
  return installed;
}

/** From the root where it is below it, so that stores of several machines agree. */
function shortened(file: string, root: string): string {
  const short = relative(root, file);
  const isBelow = short !== '' && !short.startsWith('..') && !isAbsolute(short);
  return (isBelow ? short : file).split(sep).join('/').slice(-200);
}

/** Undefined in a bundle in CommonJS, where the library's frames can't be told from the program's. */
const url = import.meta.url as string | undefined;
/** Where the library's files are: all packages as they are developed, or the installed one. */
const here = url === undefined ? '' : fileURLToPath(url);
const developed = /^(.*[\\/]packages[\\/])bridge[\\/](?:src[\\/]guarantees|dist)[\\/]/.exec(
  here,
)?.[1];
const installedPackage = /[\\/]node_modules[\\/](?:@changeover[\\/][^\\/]+|changeover)[\\/]/;

function isLibrary(file: string): boolean {
  if (file === here || installedPackage.test(file)) return true;
  if (developed === undefined || !file.startsWith(developed)) return false;
  return !/\.test\.ts$/.test(file);
}
