const syncBytes = 5;
const executeBytes = 10;
const describeBytes = 7;

/**
 * The messages that run a prepared statement, in one piece: Bind, Describe of the result if that is wanted, Execute and Sync of the
 * server's protocol, version 3. One piece is one write; the driver makes one of each message.
 *
 * @param name of the statement; the empty text for the one prepared last without a name.
 */
export function bindAndExecute(
  name: string,
  values: readonly (string | Buffer | null)[],
  describes: boolean,
): Buffer {
  const nameBytes = Buffer.byteLength(name);
  const lengths = values.map((value) =>
    value === null ? -1 : typeof value === 'string' ? Buffer.byteLength(value) : value.length,
  );
  let bindBytes = 4 + 1 + nameBytes + 1 + 2 + 2 * values.length + 2 + 4 * values.length + 2;
  for (const length of lengths) bindBytes += Math.max(0, length);
  const message = Buffer.allocUnsafe(
    1 + bindBytes + (describes ? describeBytes : 0) + executeBytes + syncBytes,
  );
  let at = message.writeUInt8(0x42 /* B */, 0);
  at = message.writeInt32BE(bindBytes, at);
  at = message.writeUInt8(0, at);
  at += message.write(name, at);
  at = message.writeUInt8(0, at);
  // Each value's format: 0 for text, 1 for bytes as they are.
  at = message.writeUInt16BE(values.length, at);
  for (const value of values)
    at = message.writeUInt16BE(value === null || typeof value === 'string' ? 0 : 1, at);
  at = message.writeUInt16BE(values.length, at);
  values.forEach((value, index) => {
    at = message.writeInt32BE(lengths[index] ?? -1, at);
    if (typeof value === 'string') at += message.write(value, at);
    else if (value !== null) at += value.copy(message, at);
  });
  // All results as text.
  at = message.writeUInt16BE(0, at);
  if (describes) {
    at = message.writeUInt8(0x44 /* D */, at);
    at = message.writeInt32BE(describeBytes - 1, at);
    at = message.writeUInt8(0x50 /* P */, at);
    at = message.writeUInt8(0, at);
  }
  at = message.writeUInt8(0x45 /* E */, at);
  at = message.writeInt32BE(executeBytes - 1, at);
  at = message.writeUInt8(0, at);
  at = message.writeInt32BE(0, at);
  at = message.writeUInt8(0x53 /* S */, at);
  message.writeInt32BE(syncBytes - 1, at);
  return message;
}
