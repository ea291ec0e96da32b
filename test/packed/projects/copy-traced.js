// What Next.js (`output: 'standalone'`) and serverless platforms deploy: the files that a program's imports lead to, and no others.
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodeFileTrace } from '@vercel/nft';

const [program, target] = process.argv.slice(2);
const { fileList } = await nodeFileTrace([program], { base: import.meta.dirname });
for (const file of fileList) {
  const copy = join(target, file);
  mkdirSync(dirname(copy), { recursive: true });
  cpSync(join(import.meta.dirname, file), copy, { recursive: true });
}
