import { suite } from 'node:test';
import { replicaTests } from '../helpers/replica-behaviour.ts';
import { startSharedReplicas } from '../helpers/replicas.ts';

suite('control planes on one store', { concurrency: 1 }, () => replicaTests(startSharedReplicas));
