"""Who is told of what, and when the heartbeat stops."""

import json

import pytest

import alerting


def configured(**content):
    named = {key.replace("_", "-"): value for key, value in content.items()}
    return json.loads(alerting.config(alerting.read(named)))


def receiver(document, name):
    return next(each for each in document["receivers"] if each["name"] == name)


def test_given_nobody_when_configured_then_alerts_are_still_kept_and_shown():
    document = configured()

    assert [list(each) for each in document["receivers"]] == [["name"]] * 3


def test_given_a_webhook_with_a_token_when_configured_then_it_is_called_with_it():
    (webhook,) = receiver(configured(webhook_url="https://a.example", webhook_token="t"), "site")[
        "webhook_configs"
    ]

    assert webhook["http_config"]["authorization"] == {"type": "Bearer", "credentials": "t"}


def test_given_mail_when_configured_then_only_what_was_said_is_set():
    mail = configured(smtp_server="m:25", smtp_from="a@x", smtp_to="b@x")

    assert receiver(mail, "site")["email_configs"] == [
        {"to": "b@x", "from": "a@x", "smarthost": "m:25", "send_resolved": True}
    ]


def test_given_a_heartbeat_address_when_configured_then_the_watchdog_alone_goes_there():
    document = configured(heartbeat_url="https://beat.example/1")

    route = next(each for each in document["route"]["routes"] if each["receiver"] == "heartbeat")
    assert route["matchers"] == ['alertname="Watchdog"']
    assert receiver(document, "heartbeat")["webhook_configs"][0]["url"] == "https://beat.example/1"
    assert receiver(document, "site") == {"name": "site"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"webhook-url": "ftp://a"}, "webhook-url must begin with http:// or https://"),
        ({"webhook_url": "https://a"}, "webhook_url is not known"),
        ({"smtp-to": "a@x"}, "mail needs smtp-server, smtp-from and smtp-to"),
    ],
)
def test_given_unfit_content_when_read_then_what_is_wrong_is_said(content, problem):
    with pytest.raises(alerting.ReceiverError) as raised:
        alerting.read(content)

    assert problem in str(raised.value)
