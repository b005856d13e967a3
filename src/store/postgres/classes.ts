import { canonicalRequirement, type Requirement, requirementKey } from '../../jobs/requirements.ts';
import { portableJson } from '../portable-text.ts';
import type { RequirementClass } from './context.ts';
import type { Queries } from './database.ts';

/** The requirement classes that this control plane has met; they never change and are never removed. */
export class Classes {
  readonly #byKey = new Map<string, RequirementClass>();
  readonly #byId = new Map<number, RequirementClass>();

  /** The class of this requirement, if this control plane has met it. */
  find(requirement: Requirement): RequirementClass | null {
    return this.#byKey.get(requirementKey(requirement)) ?? null;
  }

  /**
   * The classes of these requirements, in their order; made when they are new. Before a transaction, never inside one: others
   * that make the same class would wait for its end, and what is remembered must be there whatever becomes of it.
   */
  async intern(queries: Queries, requirements: readonly Requirement[]): Promise<readonly RequirementClass[]> {
    const wanted = new Map(requirements.map((requirement) => [requirementKey(requirement), requirement]));
    // In one order everywhere: two control planes that make the same ones never wait for each other in a circle.
    const unknown = [...wanted].filter(([key]) => !this.#byKey.has(key)).sort(([a], [b]) => (a < b ? -1 : 1));
    if (unknown.length > 0) {
      const keys = unknown.map(([key]) => key);
      const values = [
        keys,
        unknown.map(([, requirement]) => portableJson(canonicalRequirement(requirement))),
      ];
      await queries.rows(
        `insert into classes (key, requirement) select * from unnest($1::text[], $2::json[])
         on conflict (key) do nothing`,
        values,
      );
      for (const row of await queries.rows('select id, key, requirement from classes where key = any($1)', [
        keys,
      ]))
        this.#remember(row);
    }
    return requirements.map((requirement) => {
      const known = this.#byKey.get(requirementKey(requirement));
      if (!known) throw new Error('a class vanished');
      return known;
    });
  }

  /** Reads classes that are not known yet; in a transaction with its own queries, which hold a connection already. */
  async load(queries: Queries, ids: Iterable<number>): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#byId.has(id));
    if (unknown.length === 0) return;
    for (const row of await queries.rows('select id, key, requirement from classes where id = any($1)', [
      unknown,
    ]))
      this.#remember(row);
  }

  /** One that was loaded. */
  get(id: number): RequirementClass {
    const known = this.#byId.get(id);
    if (!known) throw new Error(`class ${id} was not loaded`);
    return known;
  }

  #remember(row: Record<string, unknown>): void {
    const entry = { id: Number(row.id), requirement: row.requirement as Requirement };
    this.#byKey.set(String(row.key), entry);
    this.#byId.set(entry.id, entry);
  }
}
