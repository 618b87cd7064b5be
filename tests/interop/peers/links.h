/* What the clients of paho C and paho C++ have in common: commands and what comes of them are lines
   of JSON, as in script.rs. Each connection is a process, so that it may wait. */

#include <arpa/inet.h>
#include <signal.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <MQTTProperties.h>
#include <cjson/cJSON.h>

/* Whose turn it is to print, among the processes. */
static sem_t *turn;
static int link_id;

/* Tells one thing, in one line. */
static void say(const char *what, cJSON *value) {
    cJSON *told = cJSON_CreateObject();
    cJSON_AddNumberToObject(told, "link", link_id);
    cJSON_AddItemToObject(told, what, value);
    char *line = cJSON_PrintUnformatted(told);
    sem_wait(turn);
    puts(line);
    fflush(stdout);
    sem_post(turn);
    free(line);
    cJSON_Delete(told);
}

/* Says that the connection is over, with the reason of DISCONNECT if there is one. */
static void say_ended(int reason) {
    say("ended", reason < 0 ? cJSON_CreateNull() : cJSON_CreateNumber(reason));
}

/* Says that it is open; whether the session was present, unless that is -1. */
static void say_opened(int present, cJSON *granted) {
    cJSON *opened = cJSON_CreateObject();
    if (present >= 0) cJSON_AddBoolToObject(opened, "present", present);
    cJSON_AddItemToObject(opened, "granted", granted);
    say("opened", opened);
}

static const cJSON *of(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A number, 0 if there is none. */
static int number(const cJSON *object, const char *name) {
    const cJSON *found = of(object, name);
    return cJSON_IsNumber(found) ? found->valueint : cJSON_IsTrue(found);
}

/* A text, NULL if there is none. */
static const char *text(const cJSON *object, const char *name) {
    return cJSON_GetStringValue(of(object, name));
}

static char *from_hex(const char *hex, int *len) {
    *len = (int)(strlen(hex) / 2);
    char *bytes = (char *)malloc((size_t)*len + 1);
    for (int at = 0; at < *len; at++) {
        char pair[3] = {hex[2 * at], hex[2 * at + 1], 0};
        bytes[at] = (char)strtoul(pair, NULL, 16);
    }
    return bytes;
}

static cJSON *to_hex(const char *bytes, size_t len) {
    char *hex = (char *)malloc(2 * len + 1);
    for (size_t at = 0; at < len; at++) {
        hex[2 * at] = "0123456789abcdef"[(unsigned char)bytes[at] >> 4];
        hex[2 * at + 1] = "0123456789abcdef"[bytes[at] & 15];
    }
    hex[2 * len] = 0;
    cJSON *made = cJSON_CreateString(hex);
    free(hex);
    return made;
}

/* Adds a property that is a number, if it is not 0. */
static void add_number(MQTTProperties *to, enum MQTTPropertyCodes code, int value) {
    MQTTProperty property;
    memset(&property, 0, sizeof property);
    property.identifier = code;
    switch (MQTTProperty_getType(code)) {
    case MQTTPROPERTY_TYPE_BYTE:
        property.value.byte = (unsigned char)value;
        break;
    case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER:
        property.value.integer2 = (unsigned short)value;
        break;
    default:
        property.value.integer4 = (unsigned)value;
    }
    if (value != 0) MQTTProperties_add(to, &property);
}

static MQTTLenString len_string(const char *text) {
    MQTTLenString made = {(int)strlen(text), (char *)text};
    return made;
}

/* Adds a property that is text, if there is one. */
static void add_text(MQTTProperties *to, enum MQTTPropertyCodes code, const char *value) {
    MQTTProperty property;
    memset(&property, 0, sizeof property);
    if (value == NULL) return;
    property.identifier = code;
    property.value.data = len_string(value);
    MQTTProperties_add(to, &property);
}

/* The properties of a message that is to be sent. */
static MQTTProperties of_message(const cJSON *message) {
    MQTTProperties made = MQTTProperties_initializer;
    add_number(&made, MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR, number(message, "payload_format"));
    add_number(&made, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, number(message, "expiry"));
    add_number(&made, MQTTPROPERTY_CODE_TOPIC_ALIAS, number(message, "alias"));
    add_text(&made, MQTTPROPERTY_CODE_CONTENT_TYPE, text(message, "content_type"));
    add_text(&made, MQTTPROPERTY_CODE_RESPONSE_TOPIC, text(message, "response_topic"));
    if (text(message, "correlation_data") != NULL) {
        MQTTProperty property;
        memset(&property, 0, sizeof property);
        property.identifier = MQTTPROPERTY_CODE_CORRELATION_DATA;
        property.value.data.data = from_hex(text(message, "correlation_data"), &property.value.data.len);
        MQTTProperties_add(&made, &property);
    }
    const cJSON *pair;
    cJSON_ArrayForEach(pair, of(message, "user")) {
        MQTTProperty property;
        memset(&property, 0, sizeof property);
        property.identifier = MQTTPROPERTY_CODE_USER_PROPERTY;
        property.value.data = len_string(cJSON_GetArrayItem(pair, 0)->valuestring);
        property.value.value = len_string(cJSON_GetArrayItem(pair, 1)->valuestring);
        MQTTProperties_add(&made, &property);
    }
    return made;
}

static MQTTProperties of_connect(const cJSON *opening) {
    MQTTProperties made = MQTTProperties_initializer;
    add_number(&made, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, number(opening, "session_expiry"));
    add_number(&made, MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM, number(opening, "alias_maximum"));
    return made;
}

static MQTTProperties of_subscribe(const cJSON *opening) {
    MQTTProperties made = MQTTProperties_initializer;
    add_number(&made, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER, number(opening, "subscription_id"));
    return made;
}

static cJSON *to_text(MQTTLenString from) {
    char *copy = strndup(from.data, (size_t)from.len);
    cJSON *made = cJSON_CreateString(copy);
    free(copy);
    return made;
}

/* Tells a message as it came. */
static void say_message(
    const char *topic, const void *payload, size_t len, int qos, int retain,
    const MQTTProperties *properties
) {
    cJSON *made = cJSON_CreateObject();
    cJSON *user = cJSON_AddArrayToObject(made, "user");
    cJSON *ids = cJSON_AddArrayToObject(made, "subscription_ids");
    cJSON_AddStringToObject(made, "topic", topic);
    cJSON_AddItemToObject(made, "payload", to_hex((const char *)payload, len));
    cJSON_AddNumberToObject(made, "qos", qos);
    cJSON_AddBoolToObject(made, "retain", retain);
    for (int at = 0; at < properties->count; at++) {
        const MQTTProperty *one = &properties->array[at];
        cJSON *pair;
        switch (one->identifier) {
        case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
            cJSON_AddNumberToObject(made, "payload_format", one->value.byte);
            break;
        case MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL:
            cJSON_AddNumberToObject(made, "expiry", one->value.integer4);
            break;
        case MQTTPROPERTY_CODE_TOPIC_ALIAS:
            cJSON_AddNumberToObject(made, "alias", one->value.integer2);
            break;
        case MQTTPROPERTY_CODE_CONTENT_TYPE:
            cJSON_AddItemToObject(made, "content_type", to_text(one->value.data));
            break;
        case MQTTPROPERTY_CODE_RESPONSE_TOPIC:
            cJSON_AddItemToObject(made, "response_topic", to_text(one->value.data));
            break;
        case MQTTPROPERTY_CODE_CORRELATION_DATA:
            cJSON_AddItemToObject(
                made, "correlation_data", to_hex(one->value.data.data, (size_t)one->value.data.len)
            );
            break;
        case MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER:
            cJSON_AddItemToArray(ids, cJSON_CreateNumber(one->value.integer4));
            break;
        case MQTTPROPERTY_CODE_USER_PROPERTY:
            pair = cJSON_CreateArray();
            cJSON_AddItemToArray(pair, to_text(one->value.data));
            cJSON_AddItemToArray(pair, to_text(one->value.value));
            cJSON_AddItemToArray(user, pair);
            break;
        default:
            break;
        }
    }
    say("message", made);
}

/* Ends the connection to this port without DISCONNECT. Paho does not give its socket away. */
static void cut(int port) {
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && ntohs(peer.sin_port) == port)
            shutdown(fd, SHUT_RDWR);
    }
}

/* Runs a connection, whose first command is to open it. */
static void run(FILE *commands);

/* The next command, NULL if there are no more. */
static cJSON *next(FILE *from) {
    static char *line;
    static size_t size;
    return getline(&line, &size, from) < 0 ? NULL : cJSON_Parse(line);
}

/* Gives each connection a process and its commands. */
int main(void) {
    enum { LINKS = 4096 };
    static FILE *links[LINKS];
    turn = (sem_t *)mmap(NULL, sizeof *turn, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(turn, 1, 1);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    puts("{\"ready\": true}");
    fflush(stdout);
    for (cJSON *command; (command = next(stdin)) != NULL; cJSON_Delete(command)) {
        int id = number(command, "link"), ends[2];
        if (id >= LINKS) return 1;
        if (links[id] == NULL) {
            if (pipe(ends) != 0) return 1;
            if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(ends[1]);
                link_id = id;
                run(fdopen(ends[0], "r"));
                _exit(0);
            }
            close(ends[0]);
            links[id] = fdopen(ends[1], "w");
        }
        char *line = cJSON_PrintUnformatted(command);
        fprintf(links[id], "%s\n", line);
        fflush(links[id]);
        free(line);
    }
}
