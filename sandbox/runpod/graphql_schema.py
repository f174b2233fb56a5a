"""The part of RunPod's GraphQL schema that is served (runpod-api.md section 4).

Types and fields are those that the public clients use; what else the real one has is answered as
an unknown field, which the real one answers too for what it lacks.
"""

from graphql import GraphQLSchema, build_schema

SDL = """
scalar Void
scalar DateTime

enum CloudTypeEnum { ALL SECURE COMMUNITY }
enum PodStatus { CREATED RUNNING RESTARTING EXITED PAUSED DEAD TERMINATED }

type Query {
  myself: User
  pod(input: PodFilter!): Pod
  gpuTypes(input: GpuTypeFilter): [GpuType]
  dataCenters: [DataCenter]
}

type Mutation {
  podFindAndDeployOnDemand(input: PodFindAndDeployOnDemandInput): Pod
  podRentInterruptable(input: PodRentInterruptableInput!): Pod
  deployCpuPod(input: DeployCpuPodInput!): Pod
  podStop(input: PodFilter!): Pod
  podResume(input: PodResumeInput!): Pod
  podBidResume(input: PodBidResumeInput!): Pod
  podTerminate(input: PodFilter!): Void
  podEditJob(input: PodEditJobInput!): Pod
  updateUserSettings(input: UserSettingsInput): User
}

type User {
  id: String
  email: String
  pubKey: String
  clientBalance: Float
  currentSpendPerHr: Float
  spendLimit: Int
  notifyPodsStale: Boolean
  notifyPodsGeneral: Boolean
  notifyLowBalance: Boolean
  pods: [Pod]
  networkVolumes: [NetworkVolume]
  podTemplates: [PodTemplate]
}

type NetworkVolume { id: String name: String size: Int dataCenterId: String }
type PodTemplate { id: String name: String imageName: String }

type Pod {
  id: String!
  name: String
  desiredStatus: PodStatus
  lastStatusChange: String
  createdAt: DateTime
  costPerHr: Float
  adjustedCostPerHr: Float
  gpuCount: Int
  vcpuCount: Float
  memoryInGb: Float
  containerDiskInGb: Int
  volumeInGb: Float
  volumeMountPath: String
  imageName: String
  dockerArgs: String
  dockerId: String
  env: [String]
  port: Int
  ports: String
  podType: String
  locked: Boolean
  uptimeSeconds: Int
  machineId: String
  machine: PodMachineInfo
  networkVolumeId: String
  templateId: String
  containerRegistryAuthId: String
  runtime: PodRuntime
}

type PodMachineInfo {
  gpuDisplayName: String
  gpuTypeId: String
  podHostId: String
  dataCenterId: String
  location: String
  costPerHr: Float
  secureCloud: Boolean
}

type PodRuntime {
  uptimeInSeconds: Int
  ports: [PodRuntimePorts]
  gpus: [PodRuntimeGpus]
  container: PodRuntimeContainer
}

type PodRuntimePorts {
  ip: String
  isIpPublic: Boolean
  privatePort: Int
  publicPort: Int
  type: String
}

type PodRuntimeGpus { id: String gpuUtilPercent: Float memoryUtilPercent: Float }
type PodRuntimeContainer { cpuPercent: Float memoryPercent: Float }

type GpuType {
  id: String
  displayName: String
  manufacturer: String
  memoryInGb: Int
  cudaCores: Int
  secureCloud: Boolean
  communityCloud: Boolean
  securePrice: Float
  communityPrice: Float
  secureSpotPrice: Float
  communitySpotPrice: Float
  oneWeekPrice: Float
  oneMonthPrice: Float
  threeMonthPrice: Float
  sixMonthPrice: Float
  clusterPrice: Float
  maxGpuCount: Int
  maxGpuCountSecureCloud: Int
  maxGpuCountCommunityCloud: Int
  minPodGpuCount: Int
  nodeGroupDatacenters: [DataCenter]
  lowestPrice(input: GpuLowestPriceInput): LowestPrice
}

type LowestPrice {
  minimumBidPrice: Float
  uninterruptablePrice: Float
  minVcpu: Int
  minMemory: Int
  stockStatus: String
  countryCode: String
  compliance: [String]
  availableGpuCounts: [Int]
  maxUnreservedGpuCount: Int
}

type DataCenter {
  id: String
  name: String
  location: String
  listed: Boolean
  storageSupport: Boolean
  gpuAvailability: [GpuAvailability]
}

type GpuAvailability { gpuTypeId: String displayName: String stockStatus: String }

input PodFilter { podId: String! }
input PodResumeInput { podId: String! gpuCount: Int allowedCudaVersions: [String] }
input PodBidResumeInput { podId: String! bidPerGpu: Float! gpuCount: Int }
input UserSettingsInput { pubKey: String }
input GpuTypeFilter { id: String }
input EnvironmentVariableInput { key: String! value: String! }

input GpuLowestPriceInput {
  gpuCount: Int!
  secureCloud: Boolean
  dataCenterId: String
  countryCode: String
  minDisk: Int
  minDownload: Int
  minUpload: Int
  minMemoryInGb: Int
  minVcpuCount: Int
  minCudaVersion: String
  cudaVersion: String
  allowedCudaVersions: [String]
  supportPublicIp: Boolean
  totalDisk: Int
  compliance: [String]
}

input PodFindAndDeployOnDemandInput { %(deploy)s }
input PodRentInterruptableInput { bidPerGpu: Float! %(deploy)s }

input DeployCpuPodInput {
  instanceId: String
  name: String
  imageName: String
  templateId: String
  cloudType: CloudTypeEnum
  containerDiskInGb: Int
  dataCenterId: String
  countryCode: String
  dockerArgs: String
  env: [EnvironmentVariableInput]
  networkVolumeId: String
  ports: String
  startSsh: Boolean
  volumeMountPath: String
}

input PodEditJobInput {
  podId: String!
  imageName: String
  dockerArgs: String
  env: [EnvironmentVariableInput]
  ports: String
  containerDiskInGb: Int
  volumeInGb: Int
  volumeMountPath: String
}
"""

DEPLOY_FIELDS = """
  cloudType: CloudTypeEnum
  gpuCount: Int
  gpuTypeId: String
  gpuTypeIdList: [String]
  name: String
  imageName: String
  templateId: String
  containerDiskInGb: Int
  volumeInGb: Int
  volumeMountPath: String
  volumeKey: String
  minVcpuCount: Int
  minMemoryInGb: Int
  minDisk: Int
  minDownload: Int
  minUpload: Int
  ports: String
  env: [EnvironmentVariableInput]
  dockerArgs: String
  startSsh: Boolean
  startJupyter: Boolean
  supportPublicIp: Boolean
  dataCenterId: String
  countryCode: String
  networkVolumeId: String
  allowedCudaVersions: [String]
  minCudaVersion: String
  cudaVersion: String
  containerRegistryAuthId: String
  deployCost: Float
  stopAfter: DateTime
  terminateAfter: DateTime
  compliance: [String]
"""


def schema() -> GraphQLSchema:
    return build_schema(SDL % {"deploy": DEPLOY_FIELDS})
