import { fates } from './fates.ts'
import { startPostgres } from './support/postgres.ts'

fates(async () => {
  const { url, stop } = await startPostgres()
  return {
    to: url,
    swallowing: [
      `CREATE OR REPLACE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF new.id % 50 = 0 THEN RAISE EXCEPTION 'fifty'; END IF;
         IF new.id % 7 = 0 THEN RETURN NULL; END IF;
         RETURN new; END $$`,
      'CREATE TRIGGER swallow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION swallow()',
    ],
    stop,
  }
})
