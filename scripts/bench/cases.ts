import type { BenchCase } from './figure.ts';
import { adapters } from './adapters.ts';
import { callerLatencyAtShadow } from './caller-latency-at-shadow.ts';
import { concurrentReads } from './concurrent-reads.ts';
import { createBridgeOverhead } from './create-bridge.ts';
import { digestCost } from './digest-cost.ts';
import { duckdbPeers } from './duckdb-peers.ts';
import { flagChange } from './flag-change.ts';
import { fleetCost } from './fleet-cost.ts';
import { growth } from './growth.ts';
import { guaranteeCosts } from './guarantee-costs.ts';
import { installSize } from './install-size.ts';
import { memoryHeld } from './memory-held.ts';
import { mixedLoad } from './mixed-load.ts';
import { oneKey } from './one-key.ts';
import { oneRead } from './one-read.ts';
import { poolAcquire } from './pool-acquire.ts';
import { postgresPeers } from './postgres-peers.ts';
import { routerOverhead } from './router-overhead.ts';
import { sqlitePeers } from './sqlite-peers.ts';
import { startUp } from './start-up.ts';
import { storageTests } from './storage-tests.ts';
import { verifyCost } from './verify-cost.ts';

/** All benchmarks in the order of the table in docs/benchmarks.md. */
export const benchCases: readonly BenchCase[] = [
  routerOverhead,
  createBridgeOverhead,
  guaranteeCosts,
  adapters,
  callerLatencyAtShadow,
  oneRead,
  concurrentReads,
  oneKey,
  mixedLoad,
  memoryHeld,
  postgresPeers,
  sqlitePeers,
  duckdbPeers,
  digestCost,
  verifyCost,
  poolAcquire,
  flagChange,
  fleetCost,
  startUp,
  installSize,
  storageTests,
  growth,
];
