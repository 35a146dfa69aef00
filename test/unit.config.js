// The unit tests as package.json has them, for `make test`, which wants to know what became of each.
import manifest from '../package.json' with { type: 'json' };
import { observed } from '../scripts/observed-run.ts';

export default { ...manifest.ava, ...observed };
