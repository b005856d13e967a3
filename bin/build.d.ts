import type { Plugin } from 'rolldown';

export declare const oclifAtStart: Plugin;
export declare function entries(): Record<string, string>;
export declare function bundle(directory: string): Promise<void>;
export declare function writeManifest(directory: string): Promise<number>;
