import { parseAddress, splitAddress } from '../../base/index.ts';
import type { JoinView } from '../../node/contract.ts';
import { EXIT, usage } from '../errors.ts';
import { clean, plural } from '../layout.ts';
import type { Verb } from '../verb.ts';

export const join: Verb = {
  usage: 'join <address...>',
  summary: 'contact nodes of the group; prints how many were reached',
  details: 'Exit code 1 when none was reached.',
  examples: [['shoal join 192.0.2.1:29999', 'one contact is enough: the rest follows from it']],
  asksDaemon: true,
  run: async (shell, args) => {
    const addresses = args.map((text) => {
      const address = parseAddress(text, 'ADDRESS');
      const parts = splitAddress(address);
      if (parts === null || parts.host === '' || parts.port === 0) {
        throw usage(`ADDRESS: '${clean(text)}' cannot be reached: write HOST:PORT`);
      }
      return address;
    });
    const view = (await shell.client(false).call('POST', '/v1/join', { addresses })) as JoinView;
    shell.answer(view, () => [
      `reached ${view.reached} of ${plural(addresses.length, 'address', 'addresses')}`,
    ]);
    for (const { address, message } of view.failed) shell.note(clean(`${address}: ${message}`));
    return view.reached > 0 ? EXIT.done : EXIT.no;
  },
};
