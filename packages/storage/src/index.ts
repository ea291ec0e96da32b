export type { StorageBridgeOptions } from './bridge-options.ts';
export { StorageBackend } from './storage-backend.ts';
export { createStorageBridge, type StorageBridge } from './storage-bridge.ts';
export * from './verify/index.ts';
