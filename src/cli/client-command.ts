import { Flags, type Interfaces } from '@oclif/core';
import { type Api, createApi } from '../client/api.ts';
import { type ClientConfig, loadClientConfig } from '../config/client-config.ts';
import { BaseCommand } from './base-command.ts';

type FlagOutput = Interfaces.OutputFlags<Interfaces.FlagInput>;
type ArgOutput = Interfaces.OutputArgs<Interfaces.ArgInput>;

/** A command that talks to a control plane: `this.api`, with --url and --token. */
export abstract class ClientCommand extends BaseCommand {
  static override baseFlags = {
    url: Flags.string({
      description: 'control plane to talk to; default: FLATRENDER_URL, then the one of "flatrender login"',
      helpGroup: 'CONNECTION',
      helpValue: '<url>',
    }),
    token: Flags.string({
      description: 'API token; default: FLATRENDER_TOKEN, then the one of "flatrender login"',
      helpGroup: 'CONNECTION',
      helpValue: '<token>',
    }),
  };

  private connected: { api: Api; config: ClientConfig } | undefined;
  private given: { url?: string | undefined; token?: string | undefined } = {};

  /** The control plane's API. CONFIG_MISSING when nobody said where it is. Stopped by Ctrl-C. */
  protected get api(): Api {
    return this.connect().api;
  }

  /** The address in use and where it came from. */
  protected get clientConfig(): ClientConfig {
    return this.connect().config;
  }

  protected override async parse<F extends FlagOutput, B extends FlagOutput, A extends ArgOutput>(
    options?: Interfaces.Input<F, B, A>,
    argv?: string[],
  ): Promise<Interfaces.ParserOutput<F, B, A>> {
    const parsed = await super.parse(options, argv);
    const { url, token }: FlagOutput = parsed.flags;
    this.given = { url, token };
    return parsed;
  }

  private connect(): { api: Api; config: ClientConfig } {
    if (!this.connected) {
      const config = loadClientConfig(this.given);
      this.connected = { config, api: createApi({ ...config, signal: this.signal }) };
    }
    return this.connected;
  }
}
