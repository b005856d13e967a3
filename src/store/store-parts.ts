/** Parts of the store that are written in a file each. */
import type { Store } from './store.ts';

export type JobStore = Pick<
  Store,
  | 'submit'
  | 'getJob'
  | 'listJobs'
  | 'getTask'
  | 'listAttempts'
  | 'cancelJob'
  | 'retryJob'
  | 'promoteDue'
  | 'queueAges'
>;

export type LeaseStore = Pick<
  Store,
  'claim' | 'complete' | 'fail' | 'release' | 'reattach' | 'saveLeases' | 'expireLeases' | 'listRunning'
>;

export type NodeStore = Pick<
  Store,
  | 'createNode'
  | 'rotateNode'
  | 'retireGenerations'
  | 'registerNode'
  | 'setIntent'
  | 'resumeNode'
  | 'removeNode'
  | 'getNode'
  | 'listNodes'
  | 'saveBeats'
>;

export type InvitationStore = Pick<
  Store,
  'issueInvitation' | 'useInvitation' | 'setInvitationApplied' | 'listInvitations'
>;

export type TemplateStore = Pick<Store, 'putTemplate' | 'getTemplate' | 'listTemplates' | 'removeTemplate'>;
export type TokenStore = Pick<
  Store,
  'createToken' | 'findToken' | 'listTokens' | 'revokeToken' | 'saveTokenUse'
>;
export type LogStore = Pick<Store, 'appendLog' | 'readLog'>;
export type RetentionStore = Pick<Store, 'purgeJobs' | 'assetsInUse' | 'bundlesInUse' | 'purgeIdempotency'>;
