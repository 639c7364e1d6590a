"""An OTLP/HTTP receiver of logs that decodes with the vendor's own opentelemetry-proto. It answers
what it found as JSON, for the test to compare and to answer from."""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from serve import serve


def value(of):
    kind = of.WhichOneof("value")
    return getattr(of, kind) if kind == "string_value" else f"<{kind}>"


def attributes(of):
    return {one.key: value(one.value) for one in of}


def answer(_method, _target, _headers, body):
    request = ExportLogsServiceRequest()
    request.ParseFromString(body)
    known = ExportLogsServiceRequest()
    known.CopyFrom(request)
    known.DiscardUnknownFields()
    records = []
    for resource_logs in request.resource_logs:
        resource = attributes(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                records.append(
                    {
                        "body": value(record.body),
                        "time": record.time_unix_nano,
                        "observed": record.observed_time_unix_nano,
                        "severity": record.severity_number,
                        "attributes": attributes(record.attributes),
                        "resource": resource,
                    }
                )
    # A field that the vendor's schema does not have would be dropped by every receiver.
    unknown = len(request.SerializeToString()) - len(known.SerializeToString())
    return 200, {}, {"records": records, "unknown_bytes": unknown}


serve(answer)
