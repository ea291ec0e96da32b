// What a program doesn't need that only runs a bridge: the command, the console, and the library that reads arguments.
export * from './command-context.ts';
export * from './command-error.ts';
export * from './run-command.ts';
export * from './init.ts';
export * from './init-handle.ts';
export * from './doctor.ts';
export * from './doctor-check.ts';
export * from './reproduce.ts';
export * from '../console/start-console.ts';
