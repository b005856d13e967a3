import type { Plugin } from 'rolldown';

export declare const licences: Plugin;
