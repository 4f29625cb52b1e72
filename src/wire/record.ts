import { type Address, LIMITS, nodeIdToBytes } from '../base/index.ts';
import { type MemberRecord, type MemberState, STATE } from '../members/index.ts';
import { asAddress, asFigures, asNodeId, asTags, isCount, isList, isText } from './check.ts';
import type { Newer } from './message.ts';

/** Greatest incarnation believed: nobody restarts that often, and there is room above it to take a forged one back. */
export const MAX_INCARNATION = 2 ** 48;
/** Addresses one record may carry. */
const ADDRESSES = 8;

/** A member record as an array; append only, later fields are ignored by older nodes. */
export function recordToWire(r: MemberRecord): unknown[] {
  return [
    nodeIdToBytes(r.id),
    r.incarnation,
    r.state,
    r.reachVersion,
    r.reach === r.id ? null : nodeIdToBytes(r.reach),
    r.name,
    r.addresses,
    r.resp,
    r.tags,
    r.capacity,
    r.version,
    r.bootNonce,
  ];
}

/** Elements of a record's array. */
const FIELDS = 12;

/** The record, or null when anything about it is malformed. What a later version added to it is ignored, and counted. */
export function recordFromWire(value: unknown, newer?: Newer): MemberRecord | null {
  if (!isList(value) || value.length < FIELDS) return null;
  if (newer !== undefined && value.length > FIELDS) newer.records++;
  const id = asNodeId(value[0]);
  const [
    ,
    incarnation,
    state,
    reachVersion,
    ,
    name,
    addressList,
    respText,
    tagMap,
    figures,
    version,
    bootNonce,
  ] = value;
  const reach = value[4] === null ? id : asNodeId(value[4]);
  if (id === null || reach === null) return null;
  if (!isCount(incarnation, MAX_INCARNATION) || !isCount(state, STATE.left) || !isCount(reachVersion))
    return null;
  if (
    !isText(name, LIMITS.nameBytes) ||
    name === '' ||
    !isText(version, 64) ||
    !isCount(bootNonce, 0xffffffff)
  )
    return null;
  if (!isList(addressList) || addressList.length === 0 || addressList.length > ADDRESSES) return null;
  const addresses: Address[] = [];
  for (const text of addressList) {
    const address = asAddress(text);
    if (address === null) return null;
    addresses.push(address);
  }
  const resp = respText === null ? null : asAddress(respText);
  if (respText !== null && resp === null) return null;
  const tags = asTags(tagMap);
  const capacity = asFigures(figures);
  if (tags === null || capacity === null) return null;
  return {
    id,
    incarnation,
    state: state as MemberState,
    reachVersion,
    reach,
    name,
    addresses,
    resp,
    tags,
    capacity,
    version,
    bootNonce,
  };
}

/** Records of a list; null when the list is malformed or too long. */
export function recordsFromWire(value: unknown, newer?: Newer): MemberRecord[] | null {
  if (!isList(value) || value.length > LIMITS.members) return null;
  const out: MemberRecord[] = [];
  for (const item of value) {
    const record = recordFromWire(item, newer);
    if (record === null) return null;
    out.push(record);
  }
  return out;
}
