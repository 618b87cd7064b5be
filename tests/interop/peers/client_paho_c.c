/* Clients of paho C, by its API that waits. */

#include "links.h"

#include <MQTTClient.h>

enum { V5 = 5, WAIT = 60000 };

static MQTTClient client;
static int version;

/* After DISCONNECT, the other is not called. */
static void on_disconnected(void *context, MQTTProperties *properties, enum MQTTReasonCodes code) {
    (void)context, (void)properties;
    say_ended(code);
}

static void on_lost(void *context, char *cause) {
    (void)context, (void)cause;
    say_ended(-1);
}

static int on_message(void *context, char *topic, int len, MQTTClient_message *message) {
    (void)context, (void)len;
    say_message(
        topic, message->payload, (size_t)message->payloadlen, message->qos, message->retained,
        &message->properties
    );
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
}

/* Subscribes, and returns the codes. */
static cJSON *subscribe(const cJSON *opening) {
    cJSON *granted = cJSON_CreateArray();
    int count = cJSON_GetArraySize(of(opening, "filters"));
    char *filters[8];
    int qos[8];
    for (int at = 0; at < count && at < 8; at++) {
        const cJSON *pair = cJSON_GetArrayItem(of(opening, "filters"), at);
        filters[at] = cJSON_GetArrayItem(pair, 0)->valuestring;
        qos[at] = cJSON_GetArrayItem(pair, 1)->valueint;
    }
    if (count > 0 && version == V5) {
        MQTTProperties properties = of_subscribe(opening);
        MQTTResponse answer = MQTTClient_subscribeMany5(client, count, filters, qos, NULL, &properties);
        qos[0] = answer.reasonCode;
        /* Of one there is no list. */
        for (int at = 0; answer.reasonCodes != NULL && at < answer.reasonCodeCount; at++)
            qos[at] = answer.reasonCodes[at];
        MQTTResponse_free(answer);
    } else if (count > 0) {
        MQTTClient_subscribeMany(client, count, filters, qos);
    }
    for (int at = 0; at < count; at++) cJSON_AddItemToArray(granted, cJSON_CreateNumber(qos[at]));
    return granted;
}

static void open_link(const cJSON *opening) {
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    MQTTClient_connectOptions v3 = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions v5 = MQTTClient_connectOptions_initializer5;
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    char uri[32];
    snprintf(uri, sizeof uri, "tcp://127.0.0.1:%d", number(opening, "port"));
    create.MQTTVersion = version = number(opening, "version");
    MQTTClient_createWithOptions(
        &client, uri, text(opening, "client_id"), MQTTCLIENT_PERSISTENCE_NONE, NULL, &create
    );
    MQTTClient_setCallbacks(client, NULL, on_lost, on_message, NULL);
    MQTTClient_setDisconnected(client, NULL, on_disconnected);

    MQTTClient_connectOptions options = version == V5 ? v5 : v3;
    options.MQTTVersion = version;
    options.keepAliveInterval = number(opening, "keep_alive");
    *(version == V5 ? &options.cleanstart : &options.cleansession) = number(opening, "clean");
    options.username = text(opening, "user_name");
    options.password = text(opening, "password");
    const cJSON *last = of(opening, "will");
    MQTTProperties properties = of_connect(opening), will_properties = MQTTProperties_initializer;
    if (cJSON_IsObject(last)) {
        will_properties = of_message(last);
        will.topicName = text(last, "topic");
        will.payload.data = from_hex(text(last, "payload"), &will.payload.len);
        will.qos = number(last, "qos");
        will.retained = number(last, "retain");
        options.will = &will;
    }
    int code;
    if (version == V5) {
        MQTTResponse answer = MQTTClient_connect5(client, &options, &properties, &will_properties);
        code = answer.reasonCode;
        MQTTResponse_free(answer);
    } else {
        code = MQTTClient_connect(client, &options);
    }
    /* In 5.0 it says that there is no session, whatever CONNACK says. */
    if (code != 0)
        say("refused", cJSON_CreateNumber(code));
    else
        say_opened(version == V5 ? -1 : options.returned.sessionPresent, subscribe(opening));
}

static void publish(const cJSON *message) {
    MQTTClient_message made = MQTTClient_message_initializer;
    const char *topic = number(message, "bare") ? "" : text(message, "topic");
    int token = 0, code;
    made.payload = from_hex(text(message, "payload"), &made.payloadlen);
    made.qos = number(message, "qos");
    made.retained = number(message, "retain");
    if (version == V5) {
        made.properties = of_message(message);
        MQTTResponse answer = MQTTClient_publishMessage5(client, topic, &made, &token);
        code = answer.reasonCode;
        MQTTResponse_free(answer);
    } else {
        code = MQTTClient_publishMessage(client, topic, &made, &token);
    }
    if (code == 0 && made.qos > 0) code = MQTTClient_waitForCompletion(client, token, WAIT);
    say("done", cJSON_CreateBool(code == 0));
}

static void unsubscribe(const char *filter) {
    int code;
    if (version == V5) {
        MQTTResponse answer = MQTTClient_unsubscribe5(client, filter, NULL);
        code = answer.reasonCode;
        MQTTResponse_free(answer);
    } else {
        code = MQTTClient_unsubscribe(client, filter);
    }
    say("done", cJSON_CreateBool(code == 0));
}

static void close_link(void) {
    if (version == V5)
        MQTTClient_disconnect5(client, 0, MQTTREASONCODE_SUCCESS, NULL);
    else
        MQTTClient_disconnect(client, 0);
    say_ended(-1);
}

static void run(FILE *commands) {
    int port = 0;
    for (cJSON *command; (command = next(commands)) != NULL; cJSON_Delete(command)) {
        const char *what = text(command, "do");
        const cJSON *with = cJSON_GetArrayItem(of(command, "with"), 0);
        if (strcmp(what, "open") == 0) {
            port = number(command, "port");
            open_link(command);
        } else if (strcmp(what, "publish") == 0) {
            publish(with);
        } else if (strcmp(what, "unsubscribe") == 0) {
            unsubscribe(cJSON_GetStringValue(with));
        } else if (strcmp(what, "cut") == 0) {
            cut(port);
        } else if (strcmp(what, "close") == 0) {
            close_link();
        }
    }
}
