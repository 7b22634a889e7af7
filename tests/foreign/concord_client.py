"""Calls any service over gRPC with a client certificate; its messages come from server reflection alone."""

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVER_NAME = "localhost"
DEADLINE_S = 20


class Client:
    """One connection to a hub or a node."""

    def __init__(self, address, authority, identity=(None, None)):
        certificate, key = identity
        credentials = grpc.ssl_channel_credentials(authority, key, certificate)
        options = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.enable_retries", 0)]
        self.channel = grpc.secure_channel(address, credentials, options)
        self.reflection = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.reflection)

    def services(self):
        """Lists the services that the server names."""
        return set(self.reflection.get_services())

    def call(self, service, method, request):
        """Calls `service`.`method` with a request in JSON form; gives its answer, or all answers of a stream."""
        described = self.pool.FindServiceByName(service).methods_by_name[method]
        message = json_format.ParseDict(request, message_factory.GetMessageClass(described.input_type)())
        answer_of = message_factory.GetMessageClass(described.output_type).FromString
        path, kind = f"/{service}/{method}", type(message).SerializeToString
        if described.server_streaming:
            return list(self.channel.unary_stream(path, kind, answer_of)(message, timeout=DEADLINE_S))
        return self.channel.unary_unary(path, kind, answer_of)(message, timeout=DEADLINE_S)


def code_of(call):
    """Gives the status of a call that must fail, after checking that its text names no patient."""
    try:
        call()
    except grpc.RpcError as error:
        assert "金丝雀" not in error.details() and "CANARY" not in error.details(), "an error names a patient"
        return error.code()
    return grpc.StatusCode.OK
