/**
 * What loads a module at its first call and keeps it: each `import()` costs a turn of the event loop, also of a module that is
 * loaded.
 *
 * @returns a function that resolves to the module. It rejects as `load` does, and tries again at the next call.
 */
export function lazyModule<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}
