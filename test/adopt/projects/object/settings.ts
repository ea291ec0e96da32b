const values = new Map<string, string>();

/** Settings of the program. */
export const settings = {
  get(name: string): string | undefined {
    return values.get(name);
  },
  all(): string[] {
    return [...values.keys()];
  },
  set(name: string, value: string): void {
    values.set(name, value);
    settings.log(name);
  },
  log(name: string): void {
    values.set('last', name);
  },
};
