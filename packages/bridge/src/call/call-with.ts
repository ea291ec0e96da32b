import type { Method } from './members.ts';

/**
 * Calls a function with a list of arguments. As many as most calls have are written out: an engine compiles these into the caller,
 * and can't do so where a list is taken apart, which then costs more than what such functions do.
 */
export function callWith(call: Method, args: readonly unknown[]): unknown {
  switch (args.length) {
    case 1:
      return call(args[0]);
    case 2:
      return call(args[0], args[1]);
    case 3:
      return call(args[0], args[1], args[2]);
    case 4:
      return call(args[0], args[1], args[2], args[3]);
    case 5:
      return call(args[0], args[1], args[2], args[3], args[4]);
    default:
      return call(...args);
  }
}
