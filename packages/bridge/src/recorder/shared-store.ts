/** True where a store's place is a database that several hosts can reach, and not a file. */
export function isSharedStore(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}
