/** PostgreSQL that dies, restarts, or ends every connection, under load. */
import { type Fault, type FaultOptions, type FaultReport, farmFor, Strikes, someTime } from './fault.ts';
import { Load } from './load.ts';

const WAYS = ['killed', 'connections terminated', 'restarted', 'line dropped'] as const;

export const killPostgres: Fault = {
  name: 'kill-postgres',
  summary:
    'PostgreSQL: SIGKILL of the postmaster, all connections terminated, orderly restart, the line dropped',
  kills: 100,
  missing: ({ store }) => (store === 'postgres' ? null : 'needs --store postgres'),
  async run(options: FaultOptions): Promise<FaultReport> {
    await using farm = await farmFor(options);
    const { postgres, databaseLine } = farm.backends;
    if (postgres === null) throw new Error('no PostgreSQL');
    await farm.startAgent('renderer', { NODE_TAGS: 'real', MAX_CONCURRENT_JOBS: '2' });
    await using load = await Load.start(farm);
    const strikes = new Strikes(farm, load);
    await load.more(10);
    for (let kill = 1; kill <= options.kills; kill += 1) {
      await someTime(400);
      const way = WAYS[kill % WAYS.length] ?? 'killed';
      const at = performance.now();
      if (way === 'killed') {
        await postgres.kill();
        await someTime(500);
        await postgres.start();
      } else if (way === 'restarted') await postgres.restart();
      else if (way === 'line dropped') databaseLine?.drop();
      else
        await postgres.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null',
        );
      await strikes.recovered(at);
      if (kill % 10 === 0) options.say(`${kill} strikes, ${load.ledger.submitted.size} submits acknowledged`);
    }
    return await strikes.report(killPostgres.name, `${options.kills} strikes`, options);
  },
};
