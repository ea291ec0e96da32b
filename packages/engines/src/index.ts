export * from './program.ts';
export * from './session.ts';
