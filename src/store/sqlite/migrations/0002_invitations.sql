-- The newest invitation of each node; the ones before are dead. A removed node leaves its number behind, so that an
-- invitation of before is not good for a new node of that id.
create table invitations (
  node_id text primary key,
  number integer not null,
  created_at integer not null,
  expires_at integer not null,
  -- Public half of the tunnel key that is good until it is used; null: no mesh.
  temporary_key text,
  used_at integer,
  used_by text,
  -- The machine's own key. applied: the mesh knows it.
  public_key text,
  applied integer not null default 0,
  -- Of the secret that the machine was given.
  generation integer
) strict, without rowid;
