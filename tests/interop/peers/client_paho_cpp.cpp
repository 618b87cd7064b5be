// Clients of paho C++, by its API with tokens.

#include <memory>

#include <mqtt/async_client.h>

#include "links.h"

namespace {

constexpr int V5 = 5;

struct Link {
    int version, port;
    mqtt::async_client client;

    explicit Link(const cJSON *opening)
        : version(number(opening, "version")),
          port(number(opening, "port")),
          client(
              "tcp://127.0.0.1:" + std::to_string(port), text(opening, "client_id"),
              mqtt::create_options(version)
          ) {
        // After DISCONNECT, the other is not called.
        client.set_disconnected_handler([](const mqtt::properties &, mqtt::ReasonCode code) {
            say_ended(code);
        });
        client.set_connection_lost_handler([](const std::string &) { say_ended(-1); });
        client.set_message_callback([](mqtt::const_message_ptr message) {
            const auto &payload = message->get_payload();
            say_message(
                message->get_topic().c_str(), payload.data(), payload.size(), message->get_qos(),
                message->is_retained(), &message->get_properties().c_struct()
            );
        });
        try {
            auto answer = client.connect(connect_options(opening))->get_connect_response();
            say_opened(answer.is_session_present(), subscribe(opening));
        } catch (const mqtt::exception &error) {
            int code = error.get_reason_code();
            say("refused", cJSON_CreateNumber(code ? code : error.get_return_code()));
        }
    }

    mqtt::connect_options connect_options(const cJSON *opening) {
        mqtt::connect_options options;
        options.set_mqtt_version(version);
        options.set_keep_alive_interval(number(opening, "keep_alive"));
        if (version == V5) {
            options.set_clean_start(number(opening, "clean"));
            options.set_properties(of_connect(opening));
        } else {
            options.set_clean_session(number(opening, "clean"));
        }
        if (text(opening, "user_name")) {
            options.set_user_name(text(opening, "user_name"));
            options.set_password(mqtt::binary_ref(text(opening, "password")));
        }
        if (cJSON_IsObject(of(opening, "will"))) options.set_will_message(*message(of(opening, "will")));
        return options;
    }

    mqtt::message_ptr message(const cJSON *from) {
        int len;
        std::unique_ptr<char, decltype(&free)> payload(from_hex(text(from, "payload"), &len), free);
        auto made = mqtt::make_message(
            number(from, "bare") ? "" : text(from, "topic"), payload.get(), len,
            number(from, "qos"), number(from, "retain")
        );
        if (version == V5) made->set_properties(of_message(from));
        return made;
    }

    /// Subscribes, and returns the codes.
    cJSON *subscribe(const cJSON *opening) {
        cJSON *granted = cJSON_CreateArray();
        auto filters = std::make_shared<mqtt::string_collection>();
        mqtt::iasync_client::qos_collection qos;
        const cJSON *pair;
        cJSON_ArrayForEach(pair, of(opening, "filters")) {
            filters->push_back(cJSON_GetArrayItem(pair, 0)->valuestring);
            qos.push_back(cJSON_GetArrayItem(pair, 1)->valueint);
        }
        if (filters->empty()) return granted;
        auto properties = version == V5 ? mqtt::properties(of_subscribe(opening)) : mqtt::properties();
        auto answer = client.subscribe(filters, qos, {}, properties)->get_subscribe_response();
        for (auto code : answer.get_reason_codes())
            cJSON_AddItemToArray(granted, cJSON_CreateNumber(code));
        return granted;
    }

    void obey(const std::string &what, const cJSON *with) {
        try {
            if (what == "publish") {
                client.publish(message(with))->wait();
                say("done", cJSON_CreateTrue());
            } else if (what == "unsubscribe") {
                client.unsubscribe(cJSON_GetStringValue(with))->wait();
                say("done", cJSON_CreateTrue());
            } else if (what == "cut") {
                cut(port);
            } else if (what == "close") {
                client.disconnect()->wait();
                say_ended(-1);
            }
        } catch (const mqtt::exception &error) {
            fprintf(stderr, "%s: %s\n", what.c_str(), error.what());
            say("done", cJSON_CreateFalse());
        }
    }
};

}

static void run(FILE *commands) {
    cJSON *command = next(commands);
    Link link(command);
    while ((command = next(commands)) != nullptr) {
        link.obey(text(command, "do"), cJSON_GetArrayItem(of(command, "with"), 0));
        cJSON_Delete(command);
    }
}
